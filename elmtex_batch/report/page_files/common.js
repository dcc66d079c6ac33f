"use strict";
const labels = JSON.parse(document.getElementById("labels").textContent);
const remembered = "elmtex-batch.language";

function speak(language) {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    const label = labels[element.dataset.t];
    if (label) element.textContent = label[language];
  }
  for (const attribute of ["aria-label", "placeholder", "title"]) {
    for (const element of document.querySelectorAll(`[data-t-${attribute}]`)) {
      const label = labels[element.getAttribute(`data-t-${attribute}`)];
      if (label) element.setAttribute(attribute, label[language]);
    }
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
  }
}

function preferred() {
  let language = null;
  try { language = localStorage.getItem(remembered); } catch { /* no storage: the browser's language */ }
  return language ?? (navigator.language.startsWith("de") ? "de" : "en");
}

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    try { localStorage.setItem(remembered, button.dataset.language); } catch { /* for this page only */ }
    speak(button.dataset.language);
  });
}
speak(preferred());

const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const search = document.getElementById("search");

// What a key means, unless it is typed into a field or held with another.
function onKeys(meanings) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const typing = event.target.matches("input[type=search], select");
    if (typing && !["Escape", "ArrowDown", "Enter"].includes(event.key)) return;
    const meaning = typing && event.target !== search ? undefined : meanings[event.key];
    if (meaning && meaning(event) !== false) event.preventDefault();
  });
}

const toSearch = () => { search.focus(); search.select(); };

// The element a step further in a list, from the one that counts as the present one.
function step(elements, present, by) {
  const at = elements.indexOf(present);
  if (at < 0) return elements[by > 0 ? 0 : elements.length - 1];
  return elements[Math.min(Math.max(at + by, 0), elements.length - 1)];
}
