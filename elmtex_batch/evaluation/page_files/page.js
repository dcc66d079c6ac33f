const form = document.getElementById("filter");
const reports = [...document.querySelectorAll("details.report")];

function apply() {
  const { run, language, source, category } = Object.fromEntries(new FormData(form));
  const fits = (wanted, own) => !wanted || wanted === own;
  for (const report of reports) {
    const reviews = [...report.querySelectorAll(".review")];
    for (const review of reviews) {
      const categories = review.dataset.categories.split("|");
      review.hidden = !fits(run, review.dataset.run) || (category !== "" && !categories.includes(category));
    }
    const chosen = fits(language, report.dataset.language) && fits(source, report.dataset.source);
    report.hidden = !chosen || reviews.every((review) => review.hidden);
  }
  const shown = reports.filter((report) => !report.hidden).length;
  document.getElementById("shown").textContent = `${shown} of ${reports.length} reports`;
}

document.getElementById("toggle").addEventListener("click", (event) => {
  const open = event.target.textContent === "open all";
  for (const report of reports) report.open = open && !report.hidden;
  event.target.textContent = open ? "close all" : "open all";
});
form.addEventListener("change", apply);
apply();
