"use strict";
document.documentElement.classList.add("js");
for (const range of document.querySelectorAll(".pair input")) {
  range.addEventListener("input", () => range.parentElement.style.setProperty("--cut", range.value + "%"));
}
for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", () => {
    const code = button.parentElement.querySelector("code");
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
const dialog = document.querySelector("dialog");
if (dialog) {
  const cells = JSON.parse(document.getElementById("cells").textContent);
  const find = (selector) => dialog.querySelector(selector);
  const thumbnail = (at) => document.querySelector(`[data-at="${at}"] img`);
  let open = null;
  let held = null;

  const view = (figure, at) => {
    const cell = cells[at];
    const small = thumbnail(at);
    const image = figure.querySelector("img");
    image.hidden = !small;
    if (small) {
      image.src = cell.full || small.src;
      image.alt = small.alt;
    }
    figure.querySelector("figcaption").textContent = held && held !== open ? cell.title : "";
  };
  const element = (name, words, kind) => {
    const made = document.createElement(name);
    made.textContent = words;
    if (kind) made.className = kind;
    return made;
  };
  const show = (at) => {
    open = at;
    const cell = cells[at];
    const other = held && held !== at ? new Map(cells[held].settings.map(([name, value]) => [name, value])) : null;
    find("h2").textContent = cell.title;
    view(find(".shown"), at);
    find(".reason").textContent = cell.reason;
    find("figure.held").hidden = find("th.held").hidden = !other;
    if (other) view(find("figure.held"), held);
    find("tbody").replaceChildren(...cell.settings.map(([name, value, varies]) => {
      const row = element("tr", "", (other ? other.get(name) !== value : varies) ? "differs" : "");
      row.append(element("td", name));
      if (other) row.append(element("td", other.get(name) ?? ""));
      row.append(element("td", value));
      return row;
    }));
    find("code").textContent = cell.command;
    find(".command").hidden = !cell.command;
    find(".hold").textContent = held === at ? "Let go" : "Hold to compare";
    find(".file").hidden = !cell.file;
    if (cell.file) find(".file").href = "./" + cell.file;
    history.replaceState(null, "", `#${at}`);
    if (!dialog.open) dialog.showModal();
  };

  for (const button of document.querySelectorAll("button.cell")) {
    button.addEventListener("click", () => show(button.dataset.at));
  }
  find(".hold").addEventListener("click", () => {
    held = held === open ? null : open;
    show(open);
  });
  dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    const [z, x, y] = open.split("-").map(Number);
    const next = `${z}-${x + move[0]}-${y + move[1]}`;
    if (document.querySelector(`button[data-at="${next}"]`)) show(next);
  });
  if (Object.hasOwn(cells, location.hash.slice(1))) show(location.hash.slice(1));
}
