// O painel do servidor: estado, botões, a tabela dos clientes e os acontecimentos.

const SIGNS = { parado: "○", escutando: "◐", atendendo: "●" };

const hours = new Intl.DateTimeFormat("pt-BR", { timeStyle: "medium" });
const clock = (seconds) => hours.format(seconds * 1000);

function entryRow([, time, address, what]) {
  return element("li", {},
    element("time", { textContent: clock(time) }), " ",
    element("code", { textContent: address }), " ",
    element("span", { textContent: what }));
}

function render({ model, el, signal }) {
  const id = uniqueId();
  const state = element("span", { className: "echo-state" });
  const address = element("span", { className: "echo-address" });
  const start = button("Iniciar", () => model.send({ command: "start" }));
  const stop = button("Parar", () => model.send({ command: "stop" }));
  const notice = element("div", { className: "echo-notice", role: "status" });

  const body = element("tbody");
  const table = element("table", {}, tableHead(["Endereço", "Desde", "recv", "Bytes", "Ação"]), body);
  const nobody = element("p", { textContent: "Nenhum cliente conectado." });
  const more = element("p");
  const clientsTitle = element("p", { className: "echo-title", id: `${id}-clients`, textContent: "Clientes" });
  const clients = element("div", {
    className: "echo-clients", tabIndex: 0, role: "group", "aria-labelledby": clientsTitle.id }, nobody, table, more);

  const list = element("ol");
  const logTitle = element("p", { className: "echo-title", id: `${id}-log`, textContent: "Acontecimentos" });
  const log = element("div", { // aria-live: uma turma que entra não vira uma torrente de avisos
    className: "echo-log", tabIndex: 0, role: "log", "aria-live": "off", "aria-labelledby": logTitle.id }, list);

  panel(el, "server", "Servidor de eco", lost(),
    element("div", { className: "echo-row" }, address, state, start, stop),
    notice, clientsTitle, clients, logTitle, log);

  function clientRow([host, port, since]) {
    const name = `${host}:${port}`;
    const leave = button("Desconectar", () => model.send({ command: "disconnect", host, port }), { "aria-label": `Desconectar ${name}` });
    return element("tr", {},
      element("th", { scope: "row", textContent: name }),
      element("td", { textContent: clock(since) }), element("td"), element("td"),
      element("td", {}, leave));
  }

  const showState = () => {
    const text = model.get("state");
    const word = text.split(" ")[0];
    setText(state, `${SIGNS[word]} ${text}`);
    disable(start, word !== "parado");
    disable(stop, word === "parado");
  };
  const showClients = () => {
    const rows = model.get("clients");
    const focused = body.contains(document.activeElement);
    keepRows(body, rows, ([host, port, since]) => `${host}:${port} ${since}`, clientRow);
    rows.forEach(([, , , messages, bytes], index) => {
      const { cells } = body.rows[index];
      setText(cells[2], number(messages));
      setText(cells[3], number(bytes));
    });
    table.hidden = !rows.length;
    nobody.hidden = Boolean(rows.length);
    // Quem tinha o foco saiu: o foco fica na lista, longe do botão de outro cliente.
    if (focused && !body.contains(document.activeElement)) clients.focus();
  };
  const toTheEnd = followEnd(log, signal);
  const showEntries = () => {
    keepRows(list, model.get("entries"), ([key]) => key, entryRow);
    toTheEnd();
  };
  watch(model, signal, {
    state: showState,
    address: () => setText(address, model.get("address")),
    clients: showClients,
    hidden_clients: () => {
      const count = model.get("hidden_clients");
      more.hidden = !count;
      setText(more, `e mais ${number(count)}, de antes destes.`);
    },
    entries: showEntries,
    notice: () => showLines(notice, model.get("notice")),
  });
}

export default { render };
