{#- nbgrader's list of exercises under Manual Grading, with how many submissions wait for a person -#}
{%- extends 'gradebook_assignments.tpl' -%}

{%- block head -%}
{{ super() }}
<script>
(function () {
  var waiting = {{ waiting | tojson }}, insert = insertRow, render = AssignmentUI.prototype.render;
  insertRow = function (table) {
    var row = insert(table);
    $("<td/>").addClass("text-center waiting").insertBefore(row.find(".score"));
    return row;
  };
  AssignmentUI.prototype.render = function () {
    render.apply(this, arguments);
    var count = waiting[this.model.get("name")] || 0;
    this.$el.find(".waiting").attr("data-order", count).text(count).css("font-weight", count ? "bold" : "normal");
  };
})();
</script>
{%- endblock -%}

{%- block table_header -%}
<tr>
  <th>Assignment ID</th>
  <th class="text-center">Due Date</th>
  <th class="text-center">Submissions</th>
  <th class="text-center">Waiting for you</th>
  <th class="text-center">Score</th>
</tr>
{%- endblock -%}

{%- block table_body -%}
<tr><td colspan="5">Loading, please wait...</td></tr>
{%- endblock -%}
