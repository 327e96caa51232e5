"use strict";
// O que falta ao JupyterLab para uma lição. As saídas que vieram com ela somem ao abrir. Os desenhos
// de um notebook reaberto aparecem: o jupyterlab_widgets (até a versão 3.0.17, ao menos) procura cada
// widget por 2 s, e quase ao fim deles não olha de novo; se o kernel fica pronto nessa hora, o que
// estava gravado chega, e na página fica o erro: aqui se pede outra vez o mesmo desenho. E um SVG,
// que o JupyterLab mostra como imagem sem nome, diz ao leitor de tela o que tem escrito.
// Sem ferramentas de montagem: o que o JupyterLab espera de uma extensão são só `init` e `get`
// (https://jupyterlab.readthedocs.io/en/stable/extension/extension_dev.html).
{
  const KIT = "echo_lib"; // a chave do kit nos metadados de um notebook
  const LOST = "Error displaying widget: model not found";
  const TRIES = 2; // o que não foi gravado não vem nunca
  const NOT_SAVED = "O que estava aqui não foi gravado com o notebook: execute a célula de novo.";

  // O ipywidgets põe esta classe nos widgets de um kernel reiniciado pelo menu, e só nesses.
  const WIDGET = "application/vnd.jupyter.widget-view+json";
  const DISCONNECTED = "jupyter-widgets-disconnected";
  const ENDED = ["dead", "autorestarting"];

  /** O que desenha cada saída de um notebook aberto, e a saída que ele desenha. */
  function* renderers(panel) {
    for (const cell of panel.content?.widgets ?? [])
      for (const [index, output] of (cell.outputArea?.widgets ?? []).entries())
        for (const renderer of output.widgets ?? [])
          yield [renderer, cell.outputArea.model.get(index)];
  }

  /** Marca também os desenhos de um kernel que foi desligado, trocado, ou que caiu. */
  const markTheLost = (panel) => {
    const mark = () => {
      for (const [{ node, mimeType }] of renderers(panel))
        if (mimeType === WIDGET) node.firstElementChild?.classList.add(DISCONNECTED);
    };
    const { statusChanged, kernelChanged } = panel.sessionContext;
    statusChanged.connect((_, status) => { if (ENDED.includes(status)) mark(); });
    kernelChanged.connect((_, { oldValue }) => { if (oldValue) mark(); });
  };

  /** Tira de uma lição as saídas que vieram com ela, de exemplo: estragariam as previsões. */
  const clearExamples = ({ model }) => {
    // Salva por um programa que não conhece a marca, a lição já diz a versão do Python de quem a usou.
    if (!model.getMetadata(KIT)?.example_outputs || model.getMetadata("language_info")?.version) return;
    model.deleteMetadata(KIT); // o que o aluno executar e salvar fica
    for (const cell of model.cells) cell.clearExecution?.();
  };

  /** Dá às imagens feitas de um SVG o texto que há nelas. */
  const nameThePictures = (node) => {
    for (const image of node.querySelectorAll(".jp-RenderedSVG img:not([alt])")) {
      const source = decodeURIComponent(image.src.slice(image.src.indexOf(",") + 1));
      const drawn = new DOMParser().parseFromString(source, "image/svg+xml");
      const said = [...drawn.querySelectorAll("title, text")].map((part) => part.textContent).join(" ");
      if (said) image.alt = said; // um alt vazio diria que a imagem nada diz
    }
  };

  const activate = (app) => {
    app.docRegistry.addWidgetExtension("Notebook", {
      createNew(panel, context) {
        markTheLost(panel);
        context.ready.then(() => clearExamples(context));
      },
    });
    // Um clique duplo em «Confira depois» abriria o texto da célula, com a resposta.
    document.addEventListener("dblclick", (event) => {
      if (event.target.closest?.(".jp-RenderedMarkdown summary")) event.stopPropagation();
    }, true);
    const tried = new WeakMap();
    const drawAgain = (node) => {
      const tries = tried.get(node) ?? 0;
      if (tries === TRIES) return void (node.textContent = NOT_SAVED);
      tried.set(node, tries + 1);
      for (const panel of app.shell.widgets("main"))
        for (const [renderer, output] of renderers(panel))
          if (renderer.node === node) renderer.renderModel(output);
    };
    new MutationObserver((records) => {
      for (const { target, addedNodes } of records)
        if (addedNodes.length === 1 && addedNodes[0].data === LOST) drawAgain(target);
        else for (const node of addedNodes)
          if (node instanceof HTMLElement) nameThePictures(node.tagName === "IMG" ? target : node);
    }).observe(document.body, { childList: true, subtree: true });
  };

  const plugin = { id: "echo-lib:desenhos", autoStart: true, activate };
  (globalThis._JUPYTERLAB ??= {})["echo-lib"] = {
    init() {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
}
