// Os bytes de uma mensagem: um controle deslizante, a figura e a tabela. Aqui nada se decodifica:
// o que cada tamanho de recv dá vem pronto do Python, e o controle não espera o kernel.

const HEADINGS = ["recv", "bytes", "dados.decode()", "decodificador.decode(dados)"];

/** Um caractere sobre os seus bytes. */
function characterNode({ label, bytes, title }) {
  const cells = bytes.split(" ").map((hex) =>
    element("span", { className: "echo-byte", textContent: hex }));
  const node = element("li", { title },
    element("span", { className: "echo-character", textContent: label }),
    element("span", { className: "echo-code" }, ...cells),
    element("span", { className: "echo-hidden" }));
  node.classList.toggle("echo-invalid", label === "inválido");
  node.classList.toggle("echo-long", [...label].length > 2);
  return node;
}

/** Marca onde acaba cada recv(size) e os caracteres que ele corta. */
function markCuts(characters, size) {
  const last = characters.querySelectorAll(".echo-byte").length;
  let index = 0;
  for (const node of characters.children) {
    const cells = [...node.querySelectorAll(".echo-byte")];
    for (const cell of cells) {
      const begins = index % size ? "" : `${size > 1 ? "recv " : ""}${index / size + 1}`;
      cell.style.setProperty("--echo-recv", `"${begins}"`);
      cell.classList.toggle("echo-odd", Math.floor(index / size) % 2 === 1);
      index += 1;
      cell.classList.toggle("echo-end", index % size === 0 && index < last);
    }
    const cut = cells.slice(0, -1).some((cell) => cell.classList.contains("echo-end"));
    node.classList.toggle("echo-cut", cut);
    node.lastChild.textContent = cut ? " (cortado)" : "";
  }
}

function resultNode(text, note = "") {
  const cell = element("td", {}, element("code", { textContent: text }));
  cell.classList.toggle("echo-failed", text.startsWith("✗"));
  if (note) cell.append(element("span", { className: "echo-note", textContent: note }));
  return cell;
}

function rowNode([number, bytes, decoded, mended, note]) {
  return element("tr", {},
    element("th", { scope: "row", textContent: number }),
    element("td", {}, element("code", { textContent: bytes })),
    resultNode(decoded),
    resultNode(mended, note));
}

function render({ model, el, signal }) {
  const id = uniqueId();
  const [label, slider] = field(id, "Tamanho do recv (bytes)", { type: "range", min: 1 });
  const size = element("span", { className: "echo-size", ariaHidden: "true" }); // o controle já diz o seu valor;
  const controls = element("div", { className: "echo-row" }, label, slider, size);
  const summary = element("p", { className: "echo-summary", role: "status" });
  const notice = element("p", { className: "echo-notice" });
  const characters = element("ol", {
    className: "echo-characters", tabIndex: 0, role: "list", "aria-label": "Caracteres e seus bytes em UTF-8" });
  const call = element("code");
  const caption = element("caption", {}, "O que trouxe cada ", call,
    element("code", { textContent: 'decodificador = codecs.getincrementaldecoder("utf-8")()' }));
  const body = element("tbody");
  const rows = element("div", {
    className: "echo-rows", tabIndex: 0, role: "group", "aria-label": "Tabela dos recv" },
    element("table", {}, caption, tableHead(HEADINGS), body));
  panel(el, "bytes", "Bytes da mensagem", controls, summary, notice, characters, rows);

  const showSize = () => {
    const tables = model.get("tables");
    if (!tables.length) return;
    const now = model.get("buffer_size");
    const table = tables[Math.min(now, tables.length) - 1];
    slider.value = now;
    slider.setAttribute("aria-valuetext", `${now}`);
    size.textContent = now;
    summary.textContent = `recv(${now}): ${table.summary}`;
    call.textContent = `dados = conn.recv(${now})`;
    markCuts(characters, now);
    body.replaceChildren(...table.rows.map(rowNode));
  };
  const showMessage = () => {
    characters.replaceChildren(...model.get("characters").map(characterNode));
    slider.max = model.get("tables").length;
    for (const part of [controls, summary, characters, rows]) part.hidden = slider.max === "0";
    showSize();
  };
  slider.addEventListener("input", () => {
    model.set("buffer_size", slider.valueAsNumber);
    model.save_changes();
  });
  watch(model, signal, {
    notice: () => {
      notice.textContent = model.get("notice");
      notice.hidden = !notice.textContent;
    },
    characters: showMessage,
    buffer_size: showSize,
  });
}

export default { render };
