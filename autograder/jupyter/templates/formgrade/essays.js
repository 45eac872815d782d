// A key point of the mark scheme is a button: full, half, none. The sum goes into the score, the list into the comment.
(function () {
  // Formulas are in the page already; nbgrader's page waits for MathJax before it takes keys.
  window.MathJax = { Hub: { Startup: { signal: { Interest: function (ready) { setTimeout(ready, 0, "End"); } } } } };

  var render = CommentUI.prototype.render; // nbgrader's: sets the comment to what was saved
  CommentUI.prototype.render = function () {
    var typing = document.activeElement === this.$comment[0] && this.$comment.val();
    if (!typing) { render.call(this); } // else a save that comes back now would take away what was typed since
  };

  // Two saves under way at once may arrive in either order, so the next one waits for the last one's answer.
  var waiting = [];
  function whenQuiet(action) {
    if (!$.active) { action(); } else if (waiting.indexOf(action) < 0) { waiting.push(action); }
  }
  $(document).ajaxStop(function () { waiting.splice(0).forEach(whenQuiet); });

  // What is saved is about the text on this page: if the student's work was graded anew since, nothing is.
  $.ajaxPrefilter(function (options, original, xhr) {
    if (/^put$/i.test(options.type)) { xhr.setRequestHeader("X-Autograder-Read", autograder_read); }
  });
  $(document).ajaxError(function (event, xhr, options) {
    if (!/^put$/i.test(options.type)) { return; }
    var said = document.getElementById("not-saved") || document.createElement("div");
    said.id = "not-saved";
    said.className = "alert alert-danger";
    said.setAttribute("role", "alert");
    said.textContent = xhr.status === 409 ? xhr.responseText : "Not saved: the server did not take it (" + xhr.status + "). Load the page again.";
    document.body.appendChild(said);
  });

  function show(point, each) {
    var given = Number(point.dataset.given);
    point.classList.toggle("given", given === each);
    point.classList.toggle("half", given > 0 && given < each);
    point.setAttribute("aria-pressed", given > 0);
    point.querySelector(".given-points").textContent = given + "/" + each;
  }

  function lineOf(point) { return "- " + point.dataset.name + ": "; } // how a key point's line in the comment begins

  function write(essay, scheme, points, each) {
    var given = points.map(function (point) { return Number(point.dataset.given); });
    var total = given.reduce(function (a, b) { return a + b; }, 0);
    var comment = essay.querySelector("textarea.comment"), before = comment.value.split("\n");
    var own = before.filter(function (line) {
      return !points.some(function (point) { return line.startsWith(lineOf(point)); });
    });
    var lines = points.map(function (point, i) {
      var line = before.find(function (line) { return line.startsWith(lineOf(point)); }) || "";
      var added = line.slice(lineOf(point).length).replace(/^[\d.]+\/[\d.]+/, ""); // what a person wrote behind it
      return lineOf(point) + given[i] + "/" + each[i] + added;
    });
    $(essay.querySelector("input.score")).val(Math.min(total, Number(scheme.dataset.points))).trigger("change");
    var text = own.join("\n").replace(/^\n+/, ""); // its end stays: a person may be about to type the next word
    $(comment).val(lines.join("\n") + "\n" + text).trigger("change");
    autosize.update(comment);
  }

  document.querySelectorAll(".essay").forEach(function (essay) {
    var scheme = essay.querySelector(".scheme");
    if (scheme) {
      var each = JSON.parse(scheme.dataset.each), points = Array.from(scheme.querySelectorAll("[data-place]"));
      var loaded = false;
      var save = function () { write(essay, scheme, points, each); };
      points.forEach(function (point, i) {
        var badge = document.createElement("span");
        badge.className = "given-points badge";
        (point.tagName === "TR" ? point.cells[0] : point).prepend(badge);
        point.classList.add("key-point");
        point.setAttribute("role", "button");
        point.setAttribute("tabindex", "0");
        point.dataset.given = 0;
        show(point, each[i]);
        point.addEventListener("mousedown", function (event) {
          // The comment keeps the focus, and the page stands still: else the release may be on another key point, and
          // the click is lost.
          event.preventDefault();
          $("body, html").stop();
        });
        point.addEventListener("click", function () {
          if (!loaded) { return; }
          var given = Number(point.dataset.given);
          point.dataset.given = given === each[i] ? each[i] / 2 : given > 0 ? 0 : each[i];
          show(point, each[i]);
          whenQuiet(save);
        });
        point.addEventListener("keydown", function (event) {
          if (event.key === " ") { event.preventDefault(); point.click(); }
        });
      });
      // What was given before stands in the comment, once the page has fetched it.
      $(document).one("ajaxStop", function () {
        var before = essay.querySelector("textarea.comment").value.split("\n");
        points.forEach(function (point, i) {
          var line = before.find(function (line) { return line.startsWith(lineOf(point)); });
          point.dataset.given = line ? parseFloat(line.slice(lineOf(point).length)) || 0 : 0;
          show(point, each[i]);
        });
        loaded = true;
        scheme.classList.add("ready");
      });
    }
    essay.querySelector(".next-submission").addEventListener("click", function () {
      whenQuiet(function () {
        essay.querySelector("input.score").focus(); // the next page opens there, when this field is saved
        formgrader.nextAssignment();
      });
    });
  });
})();
