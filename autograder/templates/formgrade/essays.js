// A key point of the mark scheme is a button: full, half, none. The sum goes into the score, the list into the comment.
(function () {
  if (!window.MathJax) {
    // No network: formulas stay as they were typed. nbgrader's page waits for MathJax before it takes keys.
    window.MathJax = { Hub: { Startup: { signal: { Interest: function (ready) { setTimeout(ready, 0, "End"); } } } } };
  }
  var render = CommentUI.prototype.render; // nbgrader's: sets the comment to what was saved
  CommentUI.prototype.render = function () {
    var typing = document.activeElement === this.$comment[0] && this.$comment.val();
    if (!typing) { render.call(this); } // else a save that comes back now would take away what was typed since
  };
  var LINE = /^- .*: [\d.]+ of [\d.]+$/; // a line of the comment that was written here

  function keyPoints(scheme) {
    var found = scheme.querySelectorAll("ol > li, tbody tr");
    return Array.from(found.length ? found : Array.from(scheme.querySelectorAll("p")).filter(function (p) {
      return p.firstElementChild && p.firstElementChild.tagName === "STRONG";
    }));
  }

  function nameOf(point) {
    var name = point.querySelector("strong, td");
    return (name || point).textContent.replace(/\s*\(\d+\)/, "").replace(/^\d+\.\s*/, "").replace(/[.。:：]+$/, "").slice(0, 80);
  }

  function show(point, each) {
    var given = Number(point.dataset.given);
    point.classList.toggle("given", given === each);
    point.classList.toggle("half", given > 0 && given < each);
    point.setAttribute("aria-pressed", given > 0);
    point.querySelector(".given-points").textContent = given + "/" + each;
  }

  function write(essay, scheme, points, each) {
    var given = points.map(function (point) { return Number(point.dataset.given); });
    var total = given.reduce(function (a, b) { return a + b; }, 0);
    var comment = essay.querySelector("textarea.comment");
    var own = comment.value.split("\n").filter(function (line) { return !LINE.test(line); });
    var lines = points.map(function (point, i) { return "- " + point.dataset.name + ": " + given[i] + " of " + each; });
    $(essay.querySelector("input.score")).val(Math.min(total, Number(scheme.dataset.points))).trigger("change");
    $(comment).val(lines.concat(own).join("\n").trim()).trigger("change");
    autosize.update(comment);
  }

  document.querySelectorAll(".essay").forEach(function (essay) {
    var scheme = essay.querySelector(".scheme");
    if (scheme) {
      var each = Number(scheme.dataset.each), points = keyPoints(scheme);
      points.forEach(function (point) {
        var badge = document.createElement("span");
        badge.className = "given-points badge";
        point.dataset.name = nameOf(point);
        (point.tagName === "TR" ? point.cells[0] : point).prepend(badge);
        point.classList.add("key-point");
        point.setAttribute("role", "button");
        point.setAttribute("tabindex", "0");
        point.dataset.given = 0;
        show(point, each);
        point.addEventListener("click", function () {
          var given = Number(point.dataset.given);
          point.dataset.given = given === each ? each / 2 : given > 0 ? 0 : each;
          show(point, each);
          write(essay, scheme, points, each);
        });
        point.addEventListener("keydown", function (event) {
          if (event.key === " ") { event.preventDefault(); point.click(); }
        });
      });
      // What was given before stands in the comment; it is there once the page has fetched it.
      $(document).ajaxStop(function () {
        var before = essay.querySelector("textarea.comment").value.split("\n").filter(LINE.test.bind(LINE));
        if (before.length === points.length) {
          points.forEach(function (point, i) {
            point.dataset.given = before[i].match(/: ([\d.]+) of/)[1];
            show(point, each);
          });
        }
      });
    }
    essay.querySelector(".next-submission").addEventListener("click", function () {
      essay.querySelector("input.score").focus(); // what is in the fields is saved first; the next page opens there
      formgrader.nextAssignment();
    });
  });
})();
