// O painel do cliente: dois formulários, um histórico e o diagrama da conversa.

function entryNode({ title, steps, error }) {
  const list = element("ul", {}, ...steps.map(({ call, result, time }) =>
    element("li", {},
      element("code", { textContent: call }),
      element("span", { className: "echo-result", textContent: result ? ` → ${result}` : "" }),
      element("span", { className: "echo-time", textContent: time ? ` (${time})` : "" }))));
  const box = error?.length ? [element("div", { className: "echo-error" }, ...paragraphs(error))] : [];
  return element("li", {}, element("strong", { textContent: title }), list, ...box);
}

async function render({ model, el, host: page, signal }) {
  const id = uniqueId();
  const about = { type: "text", "aria-describedby": `${id}-notice` };
  const [hostLabel, host] = field(`${id}-host`, "Servidor", { required: true, ...about });
  const [portLabel, port] = field(`${id}-port`, "Porta", { inputMode: "numeric", ...about });
  const [messageLabel, message] = field(`${id}-message`, "Mensagem", about);
  const connect = element("button", { type: "submit" });
  const sending = element("button", { type: "submit", textContent: "Enviar" });
  const state = element("span", { className: "echo-state" });
  const search = button("Procurar na rede", () => model.send({ command: "search" }));
  const diagnose = button("Diagnosticar", () =>
    model.send({ command: "diagnose", host: host.value, port: port.value }));
  const found = element("ul", { className: "echo-found", "aria-label": "Servidores que se anunciam na rede" });
  const answer = element("div", { className: "echo-answer", role: "status", "aria-label": "Resposta da rede" });
  const notice = element("p", { id: `${id}-notice`, className: "echo-notice", role: "status", "aria-label": "Aviso" });
  const entries = element("ol");
  const history = element("div", {
    className: "echo-history echo-kept", role: "log", "aria-label": "Histórico da conversa", tabIndex: 0 }, entries);

  const drawing = element("details", { className: "echo-kept", open: true },
    element("summary", { textContent: "A conversa, desenhada" }));

  // noValidate: o aviso é nosso, em português, e não o do navegador
  const connection = element("form", { className: "echo-row", noValidate: true },
    hostLabel, host, portLabel, port, connect, state);
  const help = element("div", { className: "echo-row" }, search, diagnose);
  const talk = element("form", { className: "echo-row" }, messageLabel, message, sending);
  const root = panel(el, "client", "Cliente de eco", lost(),
    connection, talk, notice, help, found, answer, history, drawing);

  const isOpen = () => ["conectado", "enviando"].includes(model.get("state"));

  submitOnEnter(root);
  connection.addEventListener("submit", (event) => {
    event.preventDefault();
    if (model.get("state") === "conectando") return;
    model.send(isOpen()
      ? { command: "disconnect" }
      : { command: "connect", host: host.value, port: port.value });
  });
  talk.addEventListener("submit", (event) => {
    event.preventDefault();
    model.send({ command: "send", text: message.value });
    if (model.get("state") !== "desconectado") message.value = "";
    message.focus();
  });

  const showAnswer = () => {
    const lines = model.get("asking") ? [model.get("asking")] : model.get("diagnosis");
    showLines(answer, lines);
    for (const node of [search, diagnose]) disable(node, Boolean(model.get("asking")));
  };
  const showFound = () => {
    found.replaceChildren(...model.get("found").map(([name, address, number]) =>
      element("li", {}, button(`${name} (${address}:${number})`, () => {
        if (host.readOnly) {
          notice.textContent = "Desconecte antes de escolher outro servidor.";
          return;
        }
        [host.value, port.value] = [address, String(number)];
        connect.focus();
      }))));
    found.hidden = !found.childElementCount;
  };

  let wasOpen = isOpen();
  const showState = () => {
    state.textContent = model.get("state");
    state.dataset.state = model.get("state");
    connect.textContent = isOpen() ? "Desconectar" : "Conectar";
    host.readOnly = port.readOnly = model.get("state") !== "desconectado";
    // Quem acabou de conectar agora escreve, sem procurar o campo.
    const here = document.activeElement; // no Safari, um clique num botão dá o foco ao painel
    if (isOpen() && !wasOpen && (here === root || connection.contains(here))) message.focus();
    wasOpen = isOpen();
  };
  followEnd(history, signal);
  const showHistory = () => {
    keepRows(entries, model.get("history"), (entry) => entry.number, entryNode);
    history.hidden = !entries.childElementCount;
    history.scrollTop = history.scrollHeight; // é o que se acabou de pedir, mesmo a quem lia acima
  };
  listen(model, signal, "change:unsent", () => { message.value ||= model.get("unsent"); });
  watch(model, signal, {
    host: () => { host.value = model.get("host"); },
    port: () => { port.value = model.get("port"); },
    state: showState,
    said: () => { notice.textContent = model.get("notice"); }, // o leitor de tela repete o mesmo aviso
    history: showHistory,
    asking: showAnswer,
    diagnosis: showAnswer,
    found: showFound,
  });
  const diagram = await page.getWidget(model.get("diagram"));
  await diagram.render({ el: drawing, signal });
}

export default { render };
