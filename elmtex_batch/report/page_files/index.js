const body = document.querySelector("#documents tbody");
const rows = [...body.rows];
const found = JSON.parse(document.getElementById("found").textContent);
const state = document.getElementById("state");
let haystacks = null;

function apply() {
  const words = fold(search.value).split(/\s+/).filter(Boolean);
  // All values of a thousand documents are a megabyte: folded when the first word is typed.
  if (words.length) haystacks ??= new Map(rows.map((row, i) => [row, fold(`${row.cells[0].textContent} ${row.cells[1].textContent} ${found[i]}`)]));
  let fitting = 0;
  for (const row of rows) {
    const fits = (!state.value || row.dataset.state === state.value) && words.every((word) => haystacks.get(row).includes(word));
    row.hidden = !fits;
    fitting += fits;
  }
  document.getElementById("fitting").textContent = fitting;
  document.getElementById("nothing").hidden = fitting > 0;
}

function sort(button) {
  const head = button.closest("th");
  const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const column = Number(button.dataset.sort);
  const text = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const { compare } = new Intl.Collator(document.documentElement.lang, { numeric: true });
  const order = button.dataset.kind === "number" ? (a, b) => Number(text(a)) - Number(text(b)) : (a, b) => compare(text(a), text(b));
  body.append(...[...body.rows].sort((a, b) => direction * order(a, b)));
}

function move(by) {
  const links = [...body.querySelectorAll("tr:not([hidden]) a")];
  step(links, document.activeElement, by)?.focus();
}

for (const button of document.querySelectorAll("[data-sort]")) button.addEventListener("click", () => sort(button));
document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
search.addEventListener("input", apply);
state.addEventListener("change", apply);
onKeys({
  "/": toSearch,
  j: () => move(1), ArrowDown: () => move(1),
  k: () => move(-1), ArrowUp: () => move(-1),
  Escape: () => { search.value = ""; search.blur(); apply(); },
  Enter: () => false,
});
apply();
