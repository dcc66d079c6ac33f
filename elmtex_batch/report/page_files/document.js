const values = [...document.querySelectorAll("button.value")];
const evidence = [...document.querySelectorAll(".evidence")];
const marks = [...document.querySelectorAll("mark")];
const gentle = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
let selected = null;

const places = (anchor) => ({
  boxes: evidence.filter((group) => group.dataset.v === anchor),
  words: marks.filter((mark) => mark.dataset.v.split(" ").includes(anchor)),
});

function show(elements) {
  elements[0]?.scrollIntoView({ block: "center", inline: "nearest", behavior: gentle });
}

// `seen`: the panel that the reader looks at already, which had better stay where it is.
function select(button, seen) {
  for (const element of document.querySelectorAll(".selected")) element.classList.remove("selected");
  selected?.removeAttribute("aria-current");
  selected = button;
  if (!button) return;
  button.setAttribute("aria-current", "true");
  const { boxes, words } = places(button.id);
  for (const element of [button, ...boxes, ...words]) element.classList.add("selected");
  if (boxes.length) boxes[0].parentElement.append(boxes[0]);  // above its neighbours
  if (seen !== "pages") show(boxes.length ? [boxes[0].querySelector("rect")] : []);
  if (seen !== "text") show(words);
  if (seen === "values") button.scrollIntoView({ block: "nearest" });
  else show([button]);
  history.replaceState(null, "", `#${button.id}`);
}

function move(by) {
  const shown = values.filter((button) => button.offsetParent !== null);
  const button = step(shown, selected, by);
  button?.focus({ preventScroll: true });
  if (button) select(button, "values");
}

function filter() {
  const words = fold(search.value).split(/\s+/).filter(Boolean);
  for (const button of values) {
    const text = fold(button.querySelector(".words").textContent);
    button.parentElement.hidden = !words.every((word) => text.includes(word));
  }
  for (const section of document.querySelectorAll("section.category")) {
    section.hidden = !section.querySelector("li:not([hidden])");
  }
}

for (const button of values) button.addEventListener("click", () => select(button, "values"));
for (const [elements, panel] of [[evidence, "pages"], [marks, "text"]]) {
  for (const element of elements) {
    element.addEventListener("click", () => select(document.getElementById(element.dataset.v.split(" ")[0]), panel));
  }
}
for (const box of document.querySelectorAll("input[data-category]")) {
  box.addEventListener("change", () => {
    for (const element of [...evidence, ...marks]) {
      if (element.dataset.category === box.dataset.category) element.classList.toggle("off", !box.checked);
    }
  });
}
search.addEventListener("input", filter);
const open = (id) => () => document.getElementById(id)?.click();
onKeys({
  "/": toSearch,
  j: () => move(1), ArrowDown: () => move(1),
  k: () => move(-1), ArrowUp: () => move(-1),
  n: open("after"), p: open("before"), u: open("up"),
  Escape: () => { search.value = ""; search.blur(); filter(); select(null); },
});

const linked = values.find((button) => `#${button.id}` === location.hash);
if (linked) { linked.focus({ preventScroll: true }); select(linked, "values"); }
