// O que todos os painéis usam. Texto só entra por textContent: o que vem da rede é mostrado,
// nunca interpretado.

/** Um prefixo de id que só este painel usa: cada tipo de painel traz a sua cópia deste arquivo. */
export function uniqueId() {
  return `echo-${Math.random().toString(36).slice(2)}`;
}

/** Um elemento; o que não é propriedade dele ("aria-label", "role"…) vira atributo. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function button(text, onclick, properties, ...children) {
  return element("button", { type: "button", textContent: text, onclick, ...properties }, ...children);
}

export const { format: number } = new Intl.NumberFormat("pt-BR");

export const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

export const paragraphs = (lines) => lines.map((line) => element("p", { textContent: line }));

/** Um parágrafo por linha, no lugar dos que havia; o que não deu certo se destaca. */
export function showLines(node, lines) {
  const same = node.childElementCount === lines.length && lines.every((line, i) => line === node.children[i].textContent);
  if (same) return; // o leitor de tela não repete o que não mudou
  node.replaceChildren(...paragraphs(lines));
  node.classList.toggle("echo-error", lines[0] === "Não deu certo.");
}

/** O que só o leitor de tela diz: o que muda na tela sem que o foco vá até lá. */
export const spoken = () => element("p", { className: "echo-spoken", role: "status" });

/** Muda o texto só se for outro: o leitor de tela não repete o que não mudou. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Põe em `parent` uma linha por item, na ordem, sem tocar nas que já estão lá: o foco fica. */
export function keepRows(parent, items, keyOf, build) {
  const rows = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  const keys = items.map((item) => String(keyOf(item)));
  const wanted = new Set(keys);
  for (const [key, row] of rows) if (!wanted.has(key)) row.remove();
  items.forEach((item, index) => {
    if (parent.children[index]?.dataset.key === keys[index]) return;
    const row = rows.get(keys[index]) ?? build(item);
    row.dataset.key = keys[index];
    parent.insertBefore(row, parent.children[index] ?? null);
  });
}

/** Um campo e o seu rótulo, ligados por id. */
export function field(id, label, properties) {
  const input = element("input", { id, autocomplete: "off", spellcheck: false, ...properties });
  return [element("label", { htmlFor: id, textContent: label }), input];
}

export function tableHead(titles) {
  const cells = titles.map((text) => element("th", { scope: "col", textContent: text }));
  return element("thead", {}, element("tr", {}, ...cells));
}

/** Chama a função sempre que o modelo avisar, até o desenho sair da página. */
export function listen(model, signal, name, react) {
  model.on(name, react);
  signal.addEventListener("abort", () => model.off(name, react));
}

/** Chama cada função agora e sempre que o traço de mesmo nome mudar. */
export function watch(model, signal, watched) {
  for (const [name, show] of Object.entries(watched)) {
    listen(model, signal, `change:${name}`, show);
    show();
  }
}

/** O que aparece no lugar do painel quando não há kernel por trás dele: veja panel.css. */
export function lost() {
  const text = "Este painel não está ligado a um kernel: execute a célula de novo.";
  return element("p", { className: "echo-lost", role: "status", textContent: text });
}

/** Uma função que leva ao fim o que cresce; quem subiu para ler fica onde está. */
export function followEnd(node, signal) {
  let following = true;
  const toTheEnd = () => { if (following) node.scrollTop = node.scrollHeight; };
  node.addEventListener("scroll", () => { // fora da tela a altura é 0, e não se sabe onde se estava
    if (node.clientHeight) following = node.scrollHeight - node.scrollTop - node.clientHeight < 5;
  });
  const shown = new ResizeObserver(toTheEnd);
  shown.observe(node);
  signal.addEventListener("abort", () => shown.disconnect());
  return toTheEnd;
}

/** Um painel na página. O que se faz nele fica nele: um x, ou Ctrl+Z, mexeria nas células. */
export function panel(el, kind, label, ...children) {
  const root = element("section", { className: `echo-panel echo-${kind}`, "aria-label": label }, ...children);
  el.append(root);
  root.tabIndex = -1; // um clique fora dos botões também lhe dá o foco, que seria da célula
  root.addEventListener("keydown", (event) => {
    const shared = (event.ctrlKey || event.metaKey) && "sb".includes(event.key.toLowerCase());
    if (shared) return; // salvar e a barra lateral continuam a ser do JupyterLab
    event.stopPropagation();
    if (event.key === "Escape" && !event.defaultPrevented && !event.isComposing) root.closest(".jp-Cell")?.focus();
  });
  // O segundo clique de um duplo cairia no botão que tomou o lugar do primeiro.
  root.addEventListener("click", (event) => {
    const pressed = event.target.closest("button");
    const twice = event.detail > 1 && !pressed?.closest(".echo-sequence");
    if (!pressed || !(twice || pressed.getAttribute("aria-disabled") === "true")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
  return root;
}

/** O botão que não serve agora continua com o foco, que um disabled perderia. */
export function disable(button, off) {
  button.setAttribute("aria-disabled", String(off));
}

/** O JupyterLab cancela o keypress do Enter, e com ele o envio que o navegador faria sozinho. */
export function submitOnEnter(root) {
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    if (!event.repeat) event.target.form.requestSubmit();
  });
}
