// O diagrama de sequência. Guarda os registros que o kernel manda (linhas de vida, linhas e setas;
// veja scene.py), calcula onde cada um fica e desenha só o que está à vista.

const SIZES = { least: 94, narrow: 116, list: 176, tight: 220, row: 46, tall: 92, head: 52, overscan: 4 };
const KEEP = 10_000;
// O que é cada linha: uma chamada de um rastro, ou um segmento de uma captura.
const TEXTS = {
  calls: {
    one: "chamada", many: "chamadas", column: 172, list: "Chamadas, em ordem de tempo",
    details: "Detalhes da chamada", same: "As mesmas chamadas",
    none: "Nenhuma chamada ainda: o diagrama cresce quando um socket fizer algo.",
    hint: "Passe o mouse ou clique numa chamada, ou ande por elas com as setas, para ver os bytes e o tempo.",
  },
  segments: {
    one: "segmento", many: "segmentos", column: 260, list: "Segmentos, na ordem em que saíram",
    details: "Detalhes do segmento", same: "Os mesmos segmentos",
    none: "Nenhum segmento nesta captura.",
    hint: "Passe o mouse ou clique num segmento, ou ande por eles com as setas, para ver os campos e os bytes.",
  },
};
const SEGMENTS = ["segment", "missing", "damaged"]; // chegou; não chegou; chegou estragado
const SETTLED = 500; // ms: o que a célula já tinha feito chegou; o sossego antes de salvar

/** Os registros de um rastro, em ordem de tempo. Um por modelo: vários desenhos o compartilham. */
export class Store {
  constructor(limit = KEEP) {
    this.listeners = new Set();
    this.reset(limit);
  }

  reset(limit) {
    this.limit = limit;
    this.what ??= "calls";
    this.lines = new Map();
    this.rows = [];
    this.links = new Map();
    this.dropped = 0;
    this.evicted = 0;
    this.latest = null;
    this.changed();
  }

  get texts() {
    return TEXTS[this.what];
  }

  changed() {
    for (const listener of this.listeners) listener();
  }

  /** Chamadas que o kernel não soube desenhar: diz o que houve, e continua. */
  fail(text) {
    this.failed = text;
    this.changed();
  }

  add({ lines = [], rows = [], links = [], dropped = 0, what = "calls" }) {
    this.what = what;
    for (const line of lines) this.lines.set(line.id, line);
    for (const link of links) {
      if (link.gone) this.links.delete(link.id);
      else this.links.set(link.id, link);
    }
    this.latest = rows.at(-1)?.id ?? this.latest;
    this.insert(rows);
    this.evict(dropped);
    this.changed();
  }

  /** Quase sempre no fim; uma chamada que demorou entra no lugar do seu começo. */
  insert(rows) {
    const known = new Map(this.rows.slice(-50).map((row, i, tail) => [row.id, this.rows.length - tail.length + i]));
    rows = rows.filter((row) => {
      const place = known.get(row.id);
      if (place !== undefined) this.rows[place] = row; // a mesma espera, contada de novo
      return place === undefined;
    });
    const last = this.rows.at(-1)?.time ?? -Infinity;
    const late = rows.some((row) => row.time < last);
    this.rows.push(...rows);
    if (late) this.rows.sort((a, b) => a.time - b.time);
  }

  /** O mesmo limite do rastro: as mais antigas saem, e se diz quantas. */
  evict(dropped) {
    const extra = this.rows.length - this.limit;
    if (extra > 0) {
      const gone = new Set(this.rows.splice(0, extra).map((row) => row.id));
      this.evicted += extra;
      for (const [id, link] of this.links) {
        if (gone.has(link.to ?? link.from)) this.links.delete(id);
      }
    }
    this.dropped = Math.max(dropped, this.evicted);
    if (this.lines.size > 4 * this.limit) this.forgetLines();
  }

  forgetLines() {
    const used = this.used(this.rows, this.links.values());
    for (const id of this.lines.keys()) if (!used.has(id)) this.lines.delete(id);
  }

  /** As linhas de vida destas chamadas e setas; a que tem outro nome, com os dois. */
  used(rows, links) {
    const ids = new Set(rows.map((row) => row.line));
    for (const link of links) ids.add(link.source).add(link.target);
    for (const id of [...ids]) ids.add(this.lines.get(id)?.same ?? id);
    return ids;
  }

  /** A linha de vida de um id; a de um socket que ainda não tinha conexão tem outro. */
  line(id) {
    const line = this.lines.get(id);
    return line?.same ? this.lines.get(line.same) : line;
  }

  /** As últimas linhas, para o notebook salvo: quem o abrir sem kernel vê o fim da conversa. */
  tail(rows = 300) {
    const kept = this.rows.slice(-rows);
    const ids = new Set(kept.map((row) => row.id));
    const links = [...this.links.values()].filter((link) => ids.has(link.from) || ids.has(link.to));
    const dropped = this.dropped + this.rows.length - kept.length;
    const lines = [...this.used(kept, links)].map((id) => this.lines.get(id)).filter(Boolean);
    return { rows: kept, links, lines, dropped, what: this.what };
  }
}

/**
 * Onde cada coisa fica. `connection` filtra; `until` é o id da última chamada mostrada (pausa e
 * passo a passo), que continua a mesma quando as antigas saem. Sem DOM: os testes o conferem.
 */
export function layout(store, { connection = null, until = null, room = Infinity, tight = room } = {}) {
  const chosen = connection === null
    ? store.rows
    : store.rows.filter((row) => row.connection === null || row.connection === connection);
  const end = until === null ? -1 : chosen.findIndex((row) => row.id === until);
  const rows = until === null ? chosen : chosen.slice(0, Math.max(1, end + 1));
  const index = new Map(rows.map((row, i) => [row.id, i]));
  const all = new Set(chosen.map((row) => row.id));
  const links = [];
  const tall = new Set();
  const lines = new Map(); // de todas as chamadas: as colunas não mudam no passo a passo
  const use = (id) => {
    const line = store.line(id);
    if (line) lines.set(line.id, line);
  };
  for (const link of store.links.values()) {
    if (!all.has(link.from) && !all.has(link.to)) continue;
    use(link.source);
    use(link.target);
    const from = index.get(link.from) ?? null, to = index.get(link.to) ?? null;
    if (from === null && to === null) continue;
    links.push({ ...link, from, to }); // solta, se só uma das pontas está no desenho
    if (link.kind === "handshake") tall.add(link.from);
  }
  for (const row of chosen) use(row.line);
  const columns = [...lines.values()].sort((a, b) => a.order[0] - b.order[0] || a.order[1] - b.order[1]);
  const count = Math.max(1, columns.length);
  // Mais estreitas que o costume, só se assim cabem todas.
  const fitting = Math.min(SIZES.narrow, tight / count);
  const roomy = Math.min(store.texts.column, room / count);
  const column = Math.max(roomy, fitting < SIZES.least ? SIZES.narrow : fitting);
  const x = new Map(columns.map((line, i) => [line.id, column * (i + 0.5)]));
  const tops = new Float64Array(rows.length + 1);
  rows.forEach((row, i) => { tops[i + 1] = tops[i] + (tall.has(row.id) ? SIZES.tall : SIZES.row); });
  return {
    chosen, rows, links, columns, x, tops, index, column,
    spans: lives(store, rows, links),
    width: column * count,
    height: tops[rows.length],
  };
}

/** De que linha a que linha do desenho vive cada socket: até o seu close, ou até o fim. */
function lives(store, rows, links) {
  const spans = new Map();
  const meet = (id, i) => {
    const line = store.line(id);
    if (!line || i === null) return;
    const [first, end] = spans.get(line.id) ?? [i, rows.length - 1];
    spans.set(line.id, [Math.min(first, i), end]);
  };
  for (const { kind, source, target, from, to } of links) {
    for (const id of [source, target]) {
      if (store.line(id)?.ghost || kind === "accept" || SEGMENTS.includes(kind)) for (const i of [from, to]) meet(id, i);
    }
  }
  rows.forEach((row, i) => {
    meet(row.line, i);
    const line = store.line(row.line);
    if (row.kind === "close" && line) spans.get(line.id)[1] = i;
  });
  return spans;
}

/** As primeiras e últimas linhas entre duas alturas. */
export function visible(tops, top, bottom) {
  const count = tops.length - 1;
  let first = 0;
  while (first < count && tops[first + 1] <= top) first++;
  let last = first;
  while (last < count && tops[last] < bottom) last++;
  return [Math.max(0, first - SIZES.overscan), Math.min(count, last + SIZES.overscan)];
}

const outside = (line) => line?.ghost && line.note.startsWith("fora");

const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const EMOJI = /(\p{Extended_Pictographic}[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F\u200D]*)/u;
const shorten = (text, most) => {
  const letters = [...text]; // slice cortaria um emoji ao meio
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}…` : text;
};
const milliseconds = (seconds) => `${(seconds * 1000).toFixed(3).replace(".", ",")} ms`;
const signs = { error: "◆ ", timeout: "○ ", pending: "○ ", send: "", segment: "", missing: "✗ ", damaged: "✗ " };
const within = (x, left, right) => x >= left && x <= right;
const older = (n) => (n === 1 ? "a mais antiga já foi descartada" : `as ${number(n)} mais antigas já foram descartadas`);

const cross = (x, y, style) => shape("path", { d: `M${x - 6} ${y - 6}l12 12m0 -12l-12 12`, class: `cross ${style}` });

/** As formas do trecho [first, last) do desenho, entre duas abscissas. */
export function draw(store, plan, [first, last], [left, right]) {
  const shapes = [], labels = [];
  const middle = (i) => (plan.tops[i] + plan.tops[i + 1]) / 2;
  const kind = (id) => store.line(id)?.kind ?? "socket";
  const write = (x1, x2, y, text, sign = "") => {
    const most = Math.max(16, Math.abs(x2 - x1) / 7);
    // Num lugar estreito, o número de um segmento vale mais que o começo dos seus dados.
    const brief = text.length > most ? text.replace(/ “.*”(?= seq=)/, "") : text;
    const shown = shorten(brief, most) + sign;
    const label = shape("text", { x: (x1 + x2) / 2, y, class: "label" });
    label.append(...shown.split(EMOJI).map((part, i) => (i % 2 ? shape("tspan", { class: "emoji" }, part) : part)));
    labels.push(label);
  };
  const arrow = (x1, y1, x2, y2, style, label, labelY = y2) => {
    const back = x2 > x1 ? -10 : 10;
    shapes.push(shape("path", { d: `M${x1} ${y1}L${x2} ${y2}`, class: `arrow ${style}` }));
    shapes.push(shape("path", { d: `M${x2 + back} ${y2 - 5}L${x2} ${y2}l${back} 5`, class: `head ${style}` }));
    if (label) write(x1, x2, labelY - 7, label);
  };
  const segment = (x1, x2, y, link) => {
    const missing = link.kind === "missing", bad = link.kind !== "segment";
    const end = missing ? (x1 + x2) / 2 : x2;
    arrow(x1, y, end, y + (missing ? 7 : 14), bad ? "bad" : kind(link.source));
    if (missing) shapes.push(cross(end, y + 7, "bad"));
    write(x1, x2, y - 5, link.label, bad ? " ✗" : "");
  };
  const special = {
    segment,
    missing: segment,
    damaged: segment,
    handshake(x1, x2, y) {
      arrow(x1, y - 28, x2, y - 20, "system", "SYN");
      arrow(x2, y - 2, x1, y + 6, "system", "SYN + ACK");
      arrow(x1, y + 24, x2, y + 32, "system", "ACK");
    },
    refused(x1, x2, y) {
      arrow(x1, y - 8, x2, y - 4, "system", "SYN");
      arrow(x2, y + 12, x1, y + 16, "system bad", "RST ✗");
    },
    lost: (x1, x2, y) => arrow(x1, y, (x1 + x2) / 2, y, "system bad", "SYN… sem resposta ✗"),
    pending: (x1, x2, y) => arrow(x1, y, x2, y, "system", "SYN"),
    accept: (x1, x2, y) => arrow(x1, y, x2, y, "system listener", "conexão pronta"),
  };

  for (const line of plan.columns) {
    const x = plan.x.get(line.id);
    if (!within(x, left, right) || !plan.spans.has(line.id)) continue;
    const [start, end] = plan.spans.get(line.id);
    const closed = plan.rows[end].kind === "close" && store.line(plan.rows[end].line) === line;
    const top = Math.max(middle(start) - (plan.tops[start + 1] - plan.tops[start] > SIZES.row ? 28 : 0), plan.tops[first]);
    const bottom = Math.min(closed ? middle(end) : plan.tops[end + 1], plan.tops[last]);
    if (bottom < top) continue;
    shapes.push(shape("path", { d: `M${x} ${top}V${bottom}`, class: `life ${line.ghost ? "ghost" : line.kind}` }));
  }
  const arrivals = new Map();
  for (const link of plan.links) {
    if (link.kind === "data" && link.to !== null) arrivals.set(link.to, (arrivals.get(link.to) ?? 0) + 1);
  }
  for (const link of plan.links) {
    const start = link.from ?? link.to, end = link.to ?? link.from;
    if (end < first || start >= last) continue;
    const x1 = plan.x.get(store.line(link.source)?.id);
    const x2 = plan.x.get(store.line(link.target)?.id);
    if (x1 === undefined || Math.max(x1, x2) < left || Math.min(x1, x2) > right) continue;
    if (special[link.kind]) {
      special[link.kind](x1, x2, middle(start), link);
      continue;
    }
    const whole = link.from !== null && link.to !== null;
    // Solta: vai até o meio do caminho, ou até a linha de quem está fora do rastro.
    const [a, b] = [["from", "source", x1], ["to", "target", x2]].map(([end, line, x]) =>
      link[end] !== null || outside(store.line(link[line])) ? x : (x1 + x2) / 2);
    const style = `${kind(link.source)} ${whole && link.kind === "data" ? "" : "system"} ${link.label === "RST" ? "bad" : ""}`;
    arrow(a, middle(start), b, middle(end), style, link.label, middle(arrivals.get(end) > 1 ? start : end));
  }
  for (let i = first; i < last; i++) shapes.push(mark(store, plan, i));
  return [...shapes, ...labels];
}

/** Onde fica o sinal de uma chamada. */
function spot(store, plan, i) {
  const line = store.line(plan.rows[i].line);
  return { kind: line?.kind, x: plan.x.get(line?.id) ?? 0, y: (plan.tops[i] + plan.tops[i + 1]) / 2 };
}

/** O sinal de uma chamada sobre a sua linha de vida; a forma diz o tipo, não só a cor. */
function mark(store, plan, i) {
  const { kind, x, y } = spot(store, plan, i);
  const how = plan.rows[i].kind;
  if (how === "close") return cross(x, y, kind);
  if (how === "error") return shape("path", { d: `M${x} ${y - 9}l9 9l-9 9l-9 -9z`, class: "wrong" });
  const waiting = how === "timeout" || how === "pending" ? "waiting" : "";
  return shape("circle", { cx: x, cy: y, r: 5, class: `dot ${kind} ${waiting}` });
}

/** Bytes em hexadecimal, 16 por linha, com o texto ao lado. */
export function dump({ at, hex }) {
  const lines = [];
  const width = Math.min(47, (hex.length / 2) * 3 - 1);
  for (let i = 0; i < hex.length; i += 32) {
    const bytes = hex.slice(i, i + 32).match(/../g);
    const ascii = bytes.map((b) => {
      const code = parseInt(b, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    });
    const place = String(at + i / 2).padStart(6);
    lines.push(`${place}  ${bytes.join(" ").padEnd(width)}  ${ascii.join("")}`);
  }
  return lines.join("\n");
}

function details(store, row) {
  const line = store.line(row.line);
  const facts = row.facts ?? [
    ["Resultado", row.result],
    ["Quando", `${milliseconds(row.time)} depois da primeira chamada; durou ${milliseconds(row.duration)}`],
    ["Este lado", row.local], ["Outro lado", row.peer],
  ];
  const text = ["Como texto", row.bytes.map((part) => part.text).join(" … ")];
  const list = element("dl", {}, ...[...facts, text].filter(([, value]) => value).flatMap(([name, value]) =>
    [element("dt", { textContent: name }), element("dd", { textContent: value })]));
  const parts = row.bytes.map((part) => element("pre", { textContent: dump(part) }));
  const sent = row.bytes.reduce((sum, part) => sum + part.hex.length / 2, 0);
  const missing = row.size > sent && row.bytes.length
    ? [element("p", { textContent: `Aqui, ${sent} dos ${row.size} bytes; os demais não são mostrados.` })]
    : [];
  return [
    element("p", { className: "echo-title", textContent: `${line?.name ?? ""}: ${row.call}` }), list, ...parts, ...missing,
  ];
}

/** Um desenho do rastro: a lista das chamadas e, ao lado, a figura. */
export function mount(el, store, onExport) {
  const id = uniqueId();
  // Ao fim da célula o JupyterLab refaz a saída: o desenho novo continua de onde o outro estava.
  const state = (store.view = { connection: null, until: null, selected: null, ...store.view });
  let plan, hovered = null, following = false, reading = false, revealing = false, telling = false, before = 0, frame = 0;
  let seen = store.latest, since = null; // desde quando há o que desenhar

  const pause = button("Pausar", () => showUntil(live() ? plan.chosen.at(-1)?.id ?? null : null));
  const first = button("Início", () => step(-Infinity));
  const back = button("◀ Anterior", () => step(-1));
  const forward = button("Próxima ▶", () => step(1));
  const filter = element("select", { id: `${id}-filter` });
  const filterLabel = element("label", { htmlFor: filter.id, textContent: "Conexão" });
  const save = button("Salvar SVG", () => onExport(state.connection, say));
  const status = element("p", { className: "echo-status" });
  const notice = element("p", { className: "echo-notice", role: "status" });
  const heard = spoken();
  const toolbar = element("div", { className: "echo-row", role: "group", "aria-label": "Controles do diagrama" },
    pause, first, back, forward, filterLabel, filter, save);
  // Depois de um clique do mouse, as teclas são da lista, e não atalhos que mexem no notebook.
  toolbar.addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.tagName === "BUTTON") list.focus({ preventScroll: true });
  });

  const head = element("div", { className: "echo-heads" });
  const list = element("div", { className: "echo-calls", tabIndex: 0, role: "listbox" });
  const picture = shape("svg", { role: "img", class: "echo-picture" });
  const body = element("div", { className: "echo-body" }, list, picture);
  const stage = element("div", { className: "echo-stage", tabIndex: -1 }, head, body); // rola: o Firefox pararia nela
  const hint = element("p");
  const inspector = element("div", { className: "echo-details", role: "region" }, hint);
  const root = panel(el, "sequence", "Diagrama de sequência", toolbar, status, stage, inspector, notice, heard);

  const live = () => state.until === null;
  const atEnd = () => stage.scrollTop + stage.clientHeight > stage.scrollHeight - SIZES.row;
  const say = (text) => { notice.textContent = text; };
  const schedule = () => { frame ||= requestAnimationFrame(() => { frame = 0; update(); }); };
  const indexOf = (rowId) => plan.index.get(rowId) ?? null;

  /** Mostra só até uma chamada, ou, com null, tudo o que vier. */
  function showUntil(rowId) {
    state.until = rowId;
    if (live()) {
      state.selected = null;
      following = true;
      reading = false;
    }
    schedule();
  }

  function step(by) {
    const { chosen, rows } = plan;
    const row = chosen[Math.max(0, Math.min(chosen.length - 1, rows.length - 1 + by))];
    if (!row) return;
    showUntil(row.id);
    select(row.id);
    telling = true;
  }

  function select(rowId) {
    state.selected = rowId;
    reading = rowId !== null;
    hovered = null;
    revealing = true;
    schedule();
  }

  function update() {
    if (!stage.clientHeight && plan) return; // escondido: ao reaparecer, atualiza-se
    const wide = Math.round(Math.max(SIZES.list, Math.min(288, stage.clientWidth * 0.34)));
    const room = stage.clientWidth - wide - 2, tight = stage.clientWidth - SIZES.tight - 2;
    plan = layout(store, { ...state, room, tight });
    // Se basta estreitar a lista para caberem todas as linhas de vida, ela se estreita.
    const left = Math.floor(stage.clientWidth - plan.width - 2);
    root.style.setProperty("--echo-list", `${left >= SIZES.tight ? Math.min(wide, left) : wide}px`);
    // O que já aconteceu se lê do começo; o que passa a acontecer, segue-se.
    if (store.rows.length) since ??= performance.now();
    if (store.latest !== seen && performance.now() - since > SETTLED) following ||= !reading;
    seen = store.latest;
    fillFilter();
    root.classList.toggle("echo-small", stage.clientWidth < SIZES.tight + SIZES.narrow);
    head.style.width = body.style.width = `calc(var(--echo-list) + ${plan.width}px)`;
    body.style.height = `${plan.height}px`;
    picture.style.width = `${plan.width}px`;
    const chosen = indexOf(state.selected);
    if (revealing && chosen !== null) reveal(chosen);
    else if (following) {
      stage.scrollTop = stage.scrollHeight;
      if (plan.rows.length) revealColumn(plan.rows.at(-1));
    }
    revealing = false;
    paint();
    describe();
    if (store.failed) say(`O diagrama não soube desenhar algumas chamadas (${store.failed}). As seguintes continuam.`);
  }

  function describe() {
    const total = plan.chosen.length, shown = plan.rows.length, texts = store.texts;
    list.setAttribute("aria-label", texts.list);
    inspector.setAttribute("aria-label", texts.details);
    setText(hint, texts.hint);
    pause.textContent = live() ? "Pausar" : "Ao vivo";
    for (const node of [first, back, pause]) disable(node, total === 0);
    disable(forward, live() || shown >= total);
    const part = live() ? "" : `${number(shown)} de `;
    const gone = store.dropped ? `; ${older(store.dropped)}` : "";
    status.textContent = total
      ? `${part}${plural(total, texts.one, texts.many)}${gone}.`
      : state.connection === null
        ? texts.none
        : `As chamadas da conexão ${state.connection} já foram descartadas.`;
    const names = plan.columns.slice(0, 12).map((line) => line.name).join(", ") || "vazia";
    picture.setAttribute("aria-label", `Figura: ${names}. ${texts.same} estão na lista ao lado.`);
    if (!telling) return;
    telling = false;
    const row = plan.rows[indexOf(state.selected)];
    const where = state.connection === null ? "de todas as conexões" : `na conexão ${state.connection}`;
    setText(heard, row
      ? `${store.line(row.line)?.name ?? ""}: ${row.call} ${row.result} (${shown} de ${total})`
      : `${plural(total, texts.one, texts.many)} ${where}`);
  }

  function reveal(i) {
    const top = plan.tops[i], bottom = plan.tops[i + 1];
    const room = stage.clientHeight - SIZES.head;
    if (top < stage.scrollTop) stage.scrollTop = top;
    else if (bottom > stage.scrollTop + room) stage.scrollTop = bottom - room;
    revealColumn(plan.rows[i]);
  }

  function revealColumn(row) {
    if (root.classList.contains("echo-small")) return; // a lista rola junto, e quem a lê não a perde
    const x = plan.x.get(store.line(row.line)?.id) ?? 0, half = plan.column / 2;
    const side = stage.clientWidth - parseInt(root.style.getPropertyValue("--echo-list"));
    if (x + half > stage.scrollLeft + side || x - half < stage.scrollLeft) stage.scrollLeft = Math.max(0, x - side / 2);
  }

  function paint() {
    const [from, to] = visible(plan.tops, stage.scrollTop, stage.scrollTop + (stage.clientHeight || 480));
    const chosen = indexOf(state.selected);
    keepRows(list, plan.rows.slice(from, to), rowKey, option);
    plan.rows.slice(from, to).forEach((row, i) => place(list.children[i], row, from + i));
    const active = chosen !== null && chosen >= from && chosen < to ? `${id}-${state.selected}` : null;
    if (active === null) list.removeAttribute("aria-activedescendant");
    else if (list.getAttribute("aria-activedescendant") !== active) list.setAttribute("aria-activedescendant", active);
    const y = plan.tops[from], height = Math.max(1, plan.tops[to] - y);
    picture.style.top = `${y}px`;
    picture.style.height = `${height}px`;
    picture.setAttribute("viewBox", `0 ${y} ${plan.width} ${height}`);
    const left = stage.scrollLeft - plan.column, right = stage.scrollLeft + stage.clientWidth;
    picture.replaceChildren(...draw(store, plan, [from, to], [left, right]));
    fillHead(left, right);
    emphasize();
  }

  /** O anel e os detalhes da chamada sob o ponteiro ou, sem ele, da escolhida. */
  function emphasize() {
    const i = hovered ?? indexOf(state.selected);
    picture.querySelector(".ring")?.remove();
    const row = plan.rows[i];
    if (!row) return; // os últimos detalhes ficam: a página não pula
    const { x, y } = spot(store, plan, i);
    picture.append(shape("circle", { cx: x, cy: y, r: 12, class: "ring" }));
    if (inspector.dataset.row === String(row.id)) return;
    inspector.dataset.row = row.id;
    inspector.replaceChildren(...details(store, row));
  }

  /** O que uma linha da lista mostra: enquanto não muda, ela fica, e o leitor de tela não a repete. */
  function rowKey(row) {
    const line = store.line(row.line);
    return JSON.stringify([row.id, row.kind, row.call, row.result, line?.name, line?.kind]);
  }

  function option(row) {
    const line = store.line(row.line);
    return element("div", { id: `${id}-${row.id}`, className: `echo-call ${row.kind} ${row.result ? "" : "bare"}`, role: "option" },
      element("span", { className: `echo-who ${line?.kind}`, textContent: line?.name ?? "" }),
      element("code", { textContent: ` ${row.call}` }),
      element("span", { className: "echo-result", textContent: `${signs[row.kind] ?? (row.result ? "→ " : "")}${row.result}` }));
  }

  function place(node, row, i) {
    node.setAttribute("aria-selected", row.id === state.selected);
    node.setAttribute("aria-posinset", i + 1);
    node.setAttribute("aria-setsize", plan.rows.length);
    node.style.top = `${plan.tops[i]}px`;
    node.style.height = `${plan.tops[i + 1] - plan.tops[i]}px`;
  }

  /** As conexões que há; a escolhida fica, mesmo que as suas chamadas já tenham saído. */
  function fillFilter() {
    const all = [...store.rows.map((row) => row.connection), state.connection, null].map((n) => n ?? "");
    const numbers = [...new Set(all)].sort((a, b) => a - b);
    keepRows(filter, numbers, (n) => n, (n) => element("option", { value: n, textContent: n || "todas" }));
    filter.value = state.connection ?? "";
  }

  function fillHead(left, right) {
    const shown = plan.columns.filter((line) => within(plan.x.get(line.id), left, right));
    const key = JSON.stringify([shown, plan.column, shown[0] && plan.x.get(shown[0].id)]);
    if (head.dataset.key === key) return;
    head.dataset.key = key;
    head.classList.toggle("tight", plan.column < SIZES.narrow);
    head.replaceChildren(...shown.map((line) => {
      const node = element("div", { className: `echo-head ${line.kind}` },
        element("strong", { textContent: line.name }),
        element("span", { textContent: line.note }));
      node.style.left = `calc(var(--echo-list) + ${plan.x.get(line.id) - plan.column / 2}px)`;
      node.style.width = `${plan.column}px`;
      return node;
    }));
  }

  const indexAt = (event) => {
    const y = event.clientY - body.getBoundingClientRect().top;
    const i = plan.tops.findIndex((top) => top > y) - 1;
    return i < 0 ? null : i;
  };
  const hover = (i) => {
    if (hovered === i) return;
    hovered = i;
    emphasize();
  };
  body.addEventListener("mousemove", (event) => { // parado, o WebKit também o manda, depois de rolar
    if (event.movementX || event.movementY) hover(indexAt(event));
  });
  body.addEventListener("mouseleave", () => hover(null));
  body.addEventListener("click", (event) => {
    list.focus({ preventScroll: true });
    select(plan.rows[indexAt(event)]?.id ?? null);
  });
  list.addEventListener("focus", () => {
    if (list.matches(":focus-visible") && state.selected === null) select(plan.rows.at(-1)?.id ?? null);
  });
  list.addEventListener("keydown", (event) => {
    const end = plan.rows.length - 1;
    const now = indexOf(state.selected) ?? end;
    const target = {
      ArrowUp: now - 1, ArrowDown: now + 1, Home: 0, End: end, PageUp: now - 8, PageDown: now + 8, Escape: null,
    }[event.key];
    const free = state.selected === null; // sem chamada escolhida, Esc deixa o painel
    if (target === undefined || end < 0 || (target === null && free)) return;
    event.preventDefault();
    if (target === null) following = true; // Esc larga a chamada e volta a seguir as novas
    select(target === null ? null : plan.rows[Math.max(0, Math.min(end, target))].id);
  });
  filter.addEventListener("change", () => {
    state.connection = filter.value === "" ? null : Number(filter.value);
    state.selected = null;
    telling = true;
    showUntil(null);
  });
  // Quem rola para cima para ler não é puxado de volta; no fim da lista, volta a seguir.
  stage.addEventListener("scroll", () => {
    if (!stage.clientHeight) return;
    if (atEnd() || stage.scrollTop < before) {
      following = atEnd();
      reading = !following;
    }
    before = stage.scrollTop;
    paint();
  });
  const resizing = new ResizeObserver(schedule);
  const appearing = new IntersectionObserver(schedule);
  resizing.observe(stage);
  appearing.observe(stage);
  store.listeners.add(schedule);
  update();
  return () => {
    store.listeners.delete(schedule);
    resizing.disconnect();
    appearing.disconnect();
    cancelAnimationFrame(frame);
  };
}

/** Entrega um arquivo ao navegador, sem sair da página. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

const ANSWER = 5000; // ms até dizer que o kernel não respondeu

/** Pede o SVG ao kernel, que desenha o parado, e o entrega como arquivo. */
function exporter(model) {
  return (connection, say) => {
    const receive = (message) => {
      if (!("svg" in message)) return;
      finish("Diagrama salvo como diagrama.svg.");
      download("diagrama.svg", "image/svg+xml", message.svg);
    };
    const finish = (text) => {
      clearTimeout(timer);
      model.off("msg:custom", receive);
      say(text);
    };
    const timer = setTimeout(() => finish("O kernel não respondeu: rode a célula de novo."), ANSWER);
    model.on("msg:custom", receive);
    model.send({ command: "export", connection });
  };
}

// Uma função, chamada uma vez por widget: os desenhos dele na página têm o mesmo depósito.
export default () => {
  const store = new Store();
  return {
    initialize({ model, signal }) {
      let answered = false;
      // O pedido da página espera o fim da célula que está rodando; até a resposta, vale o que o
      // kernel põe em `early`.
      const early = () => {
        if (!model.get("early").rows || answered) return;
        store.reset(KEEP);
        store.add(model.get("early"));
      };
      const receive = (message) => {
        if ("limit" in message) {
          answered = true;
          store.reset(message.limit);
        } else if ("rows" in message) store.add(message);
        else if ("failed" in message) store.fail(message.failed);
      };
      // O JupyterLab grava o estado do widget com o notebook; isto não volta ao kernel.
      let saving = 0;
      store.listeners.add(() => {
        clearTimeout(saving);
        saving = setTimeout(() => { if (store.rows.length) model.set("early", store.tail()); }, SETTLED);
      });
      early();
      listen(model, signal, "change:early", early);
      listen(model, signal, "msg:custom", receive);
      model.send({ command: "hello" });
    },
    render: ({ model, el }) => mount(el, store, exporter(model)),
  };
};
