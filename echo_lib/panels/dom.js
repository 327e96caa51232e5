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

export function button(text, onclick, properties) {
  return element("button", { type: "button", textContent: text, onclick, ...properties });
}

export const { format: number } = new Intl.NumberFormat("pt-BR");

/** Um parágrafo por linha, no lugar dos que havia; o que não deu certo se destaca. */
export function showLines(node, lines) {
  node.replaceChildren(...lines.map((line) => element("p", { textContent: line })));
  node.classList.toggle("echo-error", lines[0] === "Não deu certo.");
}

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

/** As teclas são do painel: num botão com o foco, um x ou dois d apagariam células do notebook. */
export function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
  });
}

/** O JupyterLab cancela o keypress do Enter, e com ele o envio que o navegador faria sozinho. */
export function submitOnEnter(root) {
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.tagName !== "INPUT") return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
}
