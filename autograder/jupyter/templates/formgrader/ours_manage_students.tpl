{#- nbgrader's page, with full names -#}
{%- extends 'manage_students.tpl' -%}

{%- block head -%}
{{ super() }}
<script>{% include "names.js" %}
withFullNames(StudentUI, ".name", "a");</script>
{%- endblock -%}
