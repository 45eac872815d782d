{#- nbgrader's page, with full names -#}
{%- extends 'manage_submissions.tpl' -%}

{%- block head -%}
{{ super() }}
<script>{% include "names.js" %}
withFullNames(SubmissionUI, ".student-name", "a");</script>
{%- endblock -%}
