"use strict";
(() => {
  const table = document.querySelector("table");
  const vms = [...table.tBodies];
  const form = document.querySelector("form");
  const status = document.querySelector("[role=status]");
  const heads = [...table.tHead.rows[0].cells];
  const order = new Intl.Collator(undefined, {sensitivity: "base"});
  const texts = new Map();

  // What is searched: all that is said of a VM, its screen too.
  function textOf(vm) {
    if (!texts.has(vm)) texts.set(vm, vm.textContent.toLowerCase());
    return texts.get(vm);
  }

  function choose() {
    const {state, finding, search} = form.elements;
    const words = search.value.trim().toLowerCase();
    let shown = 0;
    for (const vm of vms) {
      const fits = (!state.value || vm.dataset.state === state.value) &&
        (!finding.value || vm.dataset.findings.split(" ").includes(finding.value)) && (!words || textOf(vm).includes(words));
      vm.hidden = !fits;
      shown += fits;
    }
    status.textContent = `${shown} of ${vms.length} are shown`;
  }

  // "20000" and "9.0" as numbers; nothing is less than 0.
  function numbersOf(text) {
    const [whole, part] = text.split(".").map(Number);
    return Number.isNaN(whole) ? [-1] : [whole, part || 0];
  }

  // The worst first: what cannot be read, then by errors, then by warnings.
  function worstOf(vm) {
    return vm.dataset.worst.split(" ").map(number => -number);
  }

  function compare(one, other) {
    const at = one.findIndex((number, index) => number !== other[index]);
    return at < 0 ? 0 : one[at] - (other[at] ?? 0);
  }

  function sort(head) {
    const column = head.cellIndex, kind = head.dataset.kind;
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    const keys = new Map(vms.map(vm => {
      const text = vm.rows[0].cells[column].textContent;
      return [vm, kind === "worst" ? worstOf(vm) : kind === "number" ? numbersOf(text) : text];
    }));
    const by = kind === "text" ? order.compare : compare;
    vms.sort((left, right) => sign * by(keys.get(left), keys.get(right)));
    table.append(...vms);
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    status.textContent = `sorted by ${head.textContent}, ${sign > 0 ? "ascending" : "descending"}`;
  }

  for (const head of heads) {
    if (!head.dataset.kind) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head));
    head.append(button);
  }
  form.addEventListener("input", choose);
  form.addEventListener("reset", () => setTimeout(choose));
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  choose();
})();
