// O painel da turma: a confirmação, o que digitar, as máquinas em cartões, a conversa de uma.

const sign = (state) => ({ fechado: "○", "em pausa": "◐" })[state] ?? "●";

/** O que digitar em cada tipo de cliente. */
function commands(address) {
  const [host, port] = address.split(":");
  return [
    ["Terminal do JupyterLab", `python cliente.py ${host} ${port}`],
    ["Lição", `ClientPanel("${host}", ${port})`],
    ["ncat", `ncat ${host} ${port}`],
  ];
}

function describe([key, name, connections, messages, bytes, , refused, blocked]) {
  const parts = [plural(connections, "conexão", "conexões"), plural(messages, "mensagem", "mensagens"), plural(bytes, "byte", "bytes")];
  if (refused) parts.push(plural(refused, "recusa", "recusas"));
  if (blocked) parts.push("bloqueada");
  return `${name ? `${name} (${key})` : key}: ${parts.join(", ")}`;
}

function render({ model, el, host: page, signal }) {
  const id = uniqueId();
  const address = element("span", { className: "echo-address" });
  const state = element("span", { className: "echo-state" });
  const pause = button("Pausar o servidor", () => model.send({ command: "pause" }));
  const stop = button("Parar", () => model.send({ command: "stop" }));
  const save = button("Salvar registro (CSV)", () => model.send({ command: "save" }));
  const renew = button("Nova turma", () => model.send({ command: "new_class" }));
  const notice = element("div", { className: "echo-notice", role: "status" });

  const exposed = element("div");
  const agree = element("input", { type: "checkbox", id: `${id}-agree` });
  const open = button("Abrir para a rede", () => {
    if (agree.checked) model.send({ command: "open", confirmed: true });
  });
  const confirm = element("div", { className: "echo-confirm" }, exposed,
    element("p", { className: "echo-row" }, agree,
      element("label", { htmlFor: agree.id, textContent: "Entendi o que fica ao alcance da rede." }), open));

  const typing = element("tbody");
  const announced = element("p");
  const others = element("p");
  const how = element("details", { open: true },
    element("summary", { textContent: "O que digitar" }),
    element("table", {}, typing),
    element("p", { textContent: "Em outro terminal, na pasta notebooks: python3 (no Windows, py) no lugar de python." }), announced, others,
    element("p", { textContent: "A primeira mensagem de cada máquina é o nome com que aparece. Para trocá-lo: “nome: Ana”." }));

  const totals = element("p", { className: "echo-totals" });
  const list = element("ul", { className: "echo-machines", "aria-label": "Máquinas da turma" });
  const more = element("p");

  const title = element("p", { className: "echo-title", id: `${id}-chosen` });
  const chosenRow = () => model.get("machines").find(([key]) => key === model.get("selected"));
  const act = (command) => model.send({ command, key: model.get("selected") });
  const leave = button("Desconectar esta máquina", () => act("disconnect"));
  // São dois botões, em dois lugares: quem clica duas vezes em bloquear não desbloqueia.
  const block = button("Bloquear esta máquina", () => act("block"));
  const unblock = button("Desbloquear esta máquina", () => act("unblock"));
  const blocked = element("p", { textContent:
    "Bloqueada: as conexões dela são recusadas, e o que escreveu só continua no registro." });
  const drawing = element("div");
  const chosen = element("div", { role: "group", "aria-labelledby": title.id },
    element("div", { className: "echo-row" }, title, leave, block,
      button("Fechar esta conversa", () => { list.querySelector('[aria-pressed="true"]')?.focus(); model.send({ command: "select", key: "" }); }), unblock),
    blocked, drawing);

  const live = element("div", {}, how, totals, list, more, chosen);
  const heard = spoken();
  const root = panel(el, "class", "Painel da turma", lost(),
    element("div", { className: "echo-row" }, address, state),
    element("div", { className: "echo-row" }, pause, stop, save, renew),
    notice, confirm, live, heard);

  const showAgree = () => disable(open, !agree.checked);
  agree.addEventListener("change", showAgree);
  showAgree();

  const showState = () => {
    const now = model.get("state");
    const closed = now === "fechado";
    const focused = root.querySelector(":focus");
    setText(state, `${sign(now)} ${now}`);
    setText(pause, now === "em pausa" ? "Continuar" : "Pausar o servidor");
    if (!closed) agree.checked = false; // abrir de novo pede de novo
    confirm.hidden = !closed;
    pause.hidden = stop.hidden = closed;
    address.hidden = how.hidden = closed || !model.get("address"); // sem rede, nada se digita
    live.hidden = closed && !model.get("machines").length;
    save.hidden = live.hidden;
    renew.hidden = !closed || live.hidden;
    if (focused?.closest("[hidden]")) (closed ? agree : pause).focus({ preventScroll: true });
    showAgree();
  };
  const showAddress = () => {
    setText(address, model.get("address").replace(":", " porta "));
    showState();
    typing.replaceChildren(...commands(model.get("address")).map(([where, what]) =>
      element("tr", {}, element("th", { scope: "row", textContent: where }),
        element("td", {}, element("code", { textContent: what })))));
  };
  const showAnnounced = () => {
    announced.hidden = !model.get("announced");
    setText(announced, `Em Procurar na rede, aparece como “${model.get("announced")}”.`);
  };
  const showOthers = () => {
    const addresses = model.get("other_addresses");
    others.hidden = !addresses.length;
    setText(others, `Se este endereço não servir, tente os outros desta máquina: ${addresses.join(", ")}.`);
  };

  let asked = false; // só quem acaba de escolher um cartão é levado ao desenho
  const machineCard = ([key]) => element("li", {}, button("", () => {
    asked = true;
    model.send({ command: "select", key });
  }, {}, element("span", { className: "echo-name" }), element("span", { className: "echo-last" })));
  /** Um endereço que, se não cabe numa linha do cartão, continua na outra depois de um ponto. */
  const whole = (key) => key.replace(/[.:]/g, "$&\u200b");
  /** O fim do endereço, se há outra máquina com o mesmo nome; ele todo, se também o fim é igual. */
  const ending = (key) => key.match(/[.:]\d+$/)?.[0];
  const apart = ([key, name], rows) => {
    const same = rows.filter((row) => row[1] === name && row[0] !== key).map((row) => ending(row[0]));
    return same.length ? ` · ${same.includes(ending(key)) ? whole(key) : ending(key)}` : "";
  };
  const showCard = (card, row, rows) => {
    const [key, name, connections, messages, , last, refused, blocked] = row;
    const node = card.firstChild;
    const [who, said] = node.children;
    setText(who, `${connections ? "●" : "○"} ${name ? name + apart(row, rows) : whole(key)}`);
    const refusals = refused ? `, ${plural(refused, "recusa", "recusas")}` : "";
    const left = blocked ? ", bloqueada" : ", saiu";
    setText(said, `${number(messages)}${connections ? "" : left}${refusals}${last ? ` “${last}”` : ""}`);
    node.title = describe(row);
    card.dataset.online = String(Boolean(connections));
    node.setAttribute("aria-pressed", String(model.get("selected") === key));
  };
  const showMachines = () => {
    const rows = model.get("machines");
    keepRows(list, rows, ([key]) => key, machineCard);
    rows.forEach((row, index) => showCard(list.children[index], row, rows));
    setText(more, `e mais ${plural(model.get("hidden_machines"), "máquina", "máquinas")}.`);
    more.hidden = !model.get("hidden_machines");
    showTitle();
    showState();
  };
  const showTitle = () => {
    const row = chosenRow();
    setText(title, row ? describe(row) : model.get("selected"));
    chosen.hidden = !model.get("selected");
    block.hidden = model.get("selected").includes(":"); // daqui, são todos os desta máquina
    const pressed = unblock.matches(":focus");
    unblock.hidden = blocked.hidden = !row?.[7];
    if (pressed && unblock.hidden) block.focus({ preventScroll: true });
    disable(leave, !row?.[2]);
    disable(block, Boolean(row?.[7]));
  };
  const showTotals = () => {
    const [machines, connections, messages, bytes, rate] = model.get("totals");
    setText(totals, [
      plural(machines, "máquina", "máquinas"), plural(connections, "conexão", "conexões"),
      plural(messages, "mensagem", "mensagens"), plural(bytes, "byte", "bytes"), `${number(rate)} por segundo`,
    ].join(" · "));
  };
  let drawn = new AbortController();
  const showDiagram = async () => {
    drawn.abort();
    const mine = drawn = new AbortController();
    drawing.replaceChildren();
    if (!model.get("diagram")) {
      heard.textContent = "";
      return;
    }
    const diagram = await page.getWidget(model.get("diagram"));
    if (mine.signal.aborted) return;
    await diagram.render({ el: drawing, signal: mine.signal });
    if (asked) {
      chosen.scrollIntoView({ block: "nearest" });
      heard.textContent = "A conversa escolhida está no fim do painel.";
    }
    asked = false;
  };
  watch(model, signal, {
    state: showState,
    address: showAddress,
    announced: showAnnounced,
    other_addresses: showOthers,
    exposed: () => exposed.replaceChildren(
      element("p", {}, element("strong", { textContent: "Antes de abrir, saiba o que fica ao alcance:" })),
      ...paragraphs([...model.get("exposed"), "Se o firewall perguntar, permita em redes privadas, e confira se a desta sala não está marcada como pública."])),
    machines: showMachines,
    hidden_machines: showMachines,
    selected: showMachines,
    totals: showTotals,
    notice: () => showLines(notice, model.get("notice")),
    diagram: showDiagram,
  });
  signal.addEventListener("abort", () => drawn.abort());
}

export default { render };
