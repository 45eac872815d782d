{#- nbgrader's page, with full names -#}
{%- extends 'gradebook_notebook_submissions.tpl' -%}

{%- block head -%}
{{ super() }}
<script>{% include "names.js" %}
withFullNames(SubmittedNotebookUI, ".name", "a.name-shown");</script>
{%- endblock -%}
