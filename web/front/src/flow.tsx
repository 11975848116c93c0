/*! React 19.3.1, React Flow 12.12.1, dagre 3.1.3: MIT; D3: ISC. See LICENSES.txt */
// The drawing of a flow. What a hand does here is one deed to the draft on the server, which draws it again;
// the outline edits the same draft, and can do all of it without this script.
import {
  Background, BackgroundVariant, Handle, MarkerType, MiniMap, Panel as Corner, Position, ReactFlow, ReactFlowProvider,
  applyNodeChanges, useReactFlow, type Edge, type Node, type NodeProps,
} from "@xyflow/react";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { Draft, type Drawing, type Step, type Way } from "./flow/drawing";
import { WIDTH, arranged, places, type Spot } from "./flow/layout";
import { Panel } from "./flow/panel";
import { toast } from "./page";

const MOVING_MS = 300;
const host = document.querySelector<HTMLElement>("#flow-canvas")!;
const words = JSON.parse(host.dataset["words"] ?? "{}") as Record<string, string>;
const kinds = JSON.parse(host.dataset["kinds"] ?? "[]") as [string, string][];
const mayWrite = host.dataset["write"] === "yes";
const action = host.dataset["action"] ?? "";
const word = (name: string, values: Record<string, string | number> = {}): string =>
  Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, String(value)), words[name] ?? name);
const icon = (name: string): string => document.querySelector<HTMLTemplateElement>(`#ic-${name}`)?.innerHTML ?? "";
const Icon = ({ name }: { name: string }) => <span className="fic" dangerouslySetInnerHTML={{ __html: icon(name) }} />;

interface Leading {
  node: string;
  way: string;
  word: string;
}

type StepNode = Node<
  { step: Step; isOnPath: boolean; isHere: boolean; leading: Leading | null; lead: (from: Leading) => void },
  "step"
>;

function Port({ step, way, leading, lead }: { step: Step; way: Way; leading: Leading | null; lead: (from: Leading) => void }) {
  const isOpen = !way.to;
  const isNew = way.label === "+" && isOpen;
  const isLed = leading?.node === step.key && leading.way === way.way;
  const text = isNew ? "+" : way.key || way.word;
  const full = [way.word, isNew ? "" : way.label, way.fault].filter(Boolean).join(", ");
  return (
    <span className={`fport${isOpen && !isNew ? " open" : ""}${isNew ? " new" : ""}${isLed ? " led" : ""}`} title={full}>
      <button type="button" className="nodrag" disabled={!mayWrite} aria-pressed={isLed} aria-label={word("lead", { way: full })}
        onKeyDown={(event) => event.stopPropagation()}
        onClick={(event) => { event.stopPropagation(); lead({ node: step.key, way: way.way, word: way.word }); }}>
        {text}
      </button>
      <Handle type="source" id={way.way} position={Position.Bottom} isConnectable={mayWrite} aria-hidden />
    </span>
  );
}

const StepCard = memo(({ data: { step, isOnPath, isHere, leading, lead } }: NodeProps<StepNode>) => {
  const lost = step.came ? step.left / step.came : 0;
  const marks = [isOnPath && "on-path", isHere && "here", step.forbids && "faulty", leading && leading.node !== step.key && "target"];
  return (
    <div className={["fstep", `k-${step.kind}`, ...marks.filter(Boolean)].join(" ")}>
      <Handle type="target" position={Position.Top} isConnectable={mayWrite} aria-hidden />
      {step.is_start && <span className="fstart">{word("start")}</span>}
      <div className="fhead">
        <Icon name={step.kind} />
        <span className="ftext"><b>{step.name || step.word}</b><small>{step.says && step.says !== step.name ? step.says : step.name ? step.word : " "}</small></span>
      </div>
      {step.faults.length > 0 && <p className="ffault"><Icon name="alert" /><span>{step.faults.join(" ")}</span></p>}
      {step.came > 0 && (
        <p className={`fcame${lost >= 0.1 ? " high" : ""}`}>
          <span>{word("came", { came: step.came })}</span>
          {step.left > 0 && <span className="fleft">{word("left", { left: step.left })}, {Math.round(lost * 100)} %</span>}
          <svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true"><rect className="tr" width="100" height="3" /><rect className="f" width={lost * 100} height="3" /></svg>
        </p>
      )}
      {step.ways.length > 0 && <div className="fports">{step.ways.map((way) => <Port key={way.way} {...{ step, way, leading, lead }} />)}</div>}
    </div>
  );
});

const nodeTypes = { step: StepCard };

function toNodes(drawing: Drawing, path: { node: string }[], leading: Leading | null, lead: (from: Leading) => void, before: StepNode[], made: string): StepNode[] {
  const spots = places(drawing.nodes);
  const came = new Set(path.map((one) => one.node));
  const chosen = new Set(made ? [made] : before.filter((one) => one.selected).map((one) => one.id));
  return drawing.nodes.map((step) => ({
    id: step.key, type: "step", position: spots.get(step.key) ?? { x: 0, y: 0 }, width: WIDTH, selected: chosen.has(step.key),
    ariaLabel: [step.word, step.name, ...step.faults].filter(Boolean).join(", "),
    data: { step, isOnPath: came.has(step.key), isHere: path.at(-1)?.node === step.key, leading, lead },
  }));
}

function toEdges(drawing: Drawing, path: { node: string; way: string }[]): Edge[] {
  const known = new Set(drawing.nodes.map((one) => one.key));
  const taken = new Set(path.slice(1).map((one, at) => `${path[at]?.node} ${one.way}`));
  return drawing.nodes.flatMap((step) =>
    step.ways.filter((way) => way.to && known.has(way.to)).map((way): Edge => ({
      id: `${step.key} ${way.way}`, source: step.key, sourceHandle: way.way, target: way.to ?? "",
      className: taken.has(`${step.key} ${way.way}`) ? "on-path" : way.taken ? "taken" : "",
      ...(way.taken ? { label: String(way.taken), labelBgPadding: [6, 3] as [number, number], labelBgBorderRadius: 9 } : {}),
      ariaLabel: `${step.name || step.word}, ${way.word} → ${way.to}`,
      markerEnd: { type: MarkerType.ArrowClosed, markerUnits: "userSpaceOnUse", width: 18, height: 18, color: "var(--flow-line)" },
    })),
  );
}

function Canvas() {
  const view = useReactFlow<StepNode>();
  const [, redraw] = useState(0);
  const [nodes, setNodes] = useState<StepNode[]>([]);
  const [path, setPath] = useState<{ node: string; way: string }[]>([]);
  const [leading, setLeading] = useState<Leading | null>(null);
  const [isTrying, setTrying] = useState(false);
  const [kind, setKind] = useState(kinds[0]?.[0] ?? "say");
  const draft = useMemo(() => new Draft(host.dataset["drawn"] ?? "", () => redraw((one) => one + 1), (text) => toast(text, "bad")), []);
  const panel = useMemo(() => new Panel(
    document.querySelector<HTMLElement>("#flow-panel")!, () => void draft.load(true), () => setPath(panelPath()), (text) => toast(text, "bad"),
  ), []);
  const panelPath = (): { node: string; way: string }[] => panel.path;
  const moved = useRef(0);
  const drawn = useRef<Drawing | null>(null);
  const shownStep = useRef(host.dataset["chosen"] ?? "");
  const lead = useCallback((from: Leading) => setLeading((was) => (was?.node === from.node && was.way === from.way ? null : from)), []);
  const { now } = draft;

  useEffect(() => {
    if (!now) return;
    const made = now === drawn.current ? "" : now.made; // what has just been added is chosen, once
    drawn.current = now;
    setNodes((before) => toNodes(now, path, leading, lead, before, made));
  }, [now, path, leading, draft.refused]);
  const edges = useMemo(() => (now ? toEdges(now, path) : []), [now, path]);

  useEffect(() => {
    void draft.load(false).then(() => {
      const first = shownStep.current;
      setNodes((all) => all.map((one) => ({ ...one, selected: one.id === first })));
      host.dataset["ready"] = "yes";
      setTimeout(() => void view.fitView({ padding: 0.12, maxZoom: 1 }));
    });
    void panel.show(`${action}/step?node=${encodeURIComponent(shownStep.current)}`);
    const seen = (): void => { if (document.visibilityState === "visible" && !draft.refused) void draft.load(false); };
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, []);

  /** Show a step's form; what is typed in the one before is saved first, or keeps its place. */
  const choose = async (key: string): Promise<void> => {
    if (isTrying || key === shownStep.current || !(await panel.flush())) return;
    shownStep.current = key;
    await panel.show(`${action}/step?node=${encodeURIComponent(key)}`);
  };

  const press = async (key: string): Promise<void> => {
    if (leading && leading.node !== key) {
      setLeading(null);
      await draft.do({ do: "lead", node: leading.node, way: leading.way, to: key });
      await reshow();
    } else await choose(key);
  };

  /** The form shows the draft as it is now, unless something is typed in it. */
  const reshow = async (): Promise<void> => {
    if (!isTrying && shownStep.current && (await panel.flush())) await panel.show(`${action}/step?node=${encodeURIComponent(shownStep.current)}`);
  };

  const add = async (): Promise<void> => {
    if (!now) return;
    const selected = nodes.find((one) => one.selected);
    const open = selected?.data.step.ways.find((way) => !way.to && way.label !== "+");
    const after = leading ?? (selected && open ? { node: selected.id, way: open.way } : null);
    const from = nodes.find((one) => one.id === after?.node);
    const at = from?.data.step.ways.findIndex((way) => way.way === after?.way) ?? 0;
    const box = host.getBoundingClientRect();
    const middle = view.screenToFlowPosition({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
    const spot: Spot = from ? { x: from.position.x + at * 60, y: from.position.y + 190 } : middle;
    setLeading(null);
    const made = await draft.do({ do: "add", kind, after: after?.node ?? "", way: after?.way ?? "", place: [Math.round(spot.x), Math.round(spot.y)] });
    if (made) await choose(made);
  };

  const stand = (all: Iterable<[string, Spot]>): Promise<string> =>
    draft.do({ do: "move", places: Object.fromEntries([...all].map(([key, spot]) => [key, [Math.round(spot.x), Math.round(spot.y)]])) });

  /** Put into the draft where steps have been moved to: once after a run of arrow keys. */
  const standNow = (): void => {
    window.clearTimeout(moved.current);
    moved.current = 0;
    void stand(view.getNodes().map((one) => [one.id, one.position]));
  };

  /** Everything done or typed here is in the draft; false: a form cannot be so. */
  const settled = async (): Promise<boolean> => {
    if (moved.current) standNow();
    const ok = await panel.flush();
    await draft.settled();
    return ok && !draft.refused;
  };

  const rehearse = async (): Promise<void> => {
    if (!(await settled())) return;
    const next = !isTrying;
    setTrying(next);
    await panel.show(next ? `${action}/try` : `${action}/step?node=${encodeURIComponent(shownStep.current)}`);
  };

  const back = async (work: Promise<void>): Promise<void> => { await work; await reshow(); };

  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key === "Escape") setLeading(null);
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || !mayWrite) return;
      if ((event.target as Element).matches("input, textarea, select")) return; // a field takes back its own
      event.preventDefault();
      void back(event.shiftKey ? draft.redo() : draft.undo());
    };
    // the outline is another page: what is done or typed here goes into the draft before it opens
    const leave = (event: MouseEvent): void => {
      const link = (event.target as Element).closest<HTMLAnchorElement>("a[data-outline]");
      if (!link) return;
      event.preventDefault();
      void settled().then((ok) => {
        if (ok) location.assign(link.href + (shownStep.current ? `?node=${encodeURIComponent(shownStep.current)}#step` : ""));
      });
    };
    // what is published is what is drawn
    const publish = (event: SubmitEvent): void => {
      const form = event.target as HTMLFormElement;
      if (!form.matches("[data-publish]")) return;
      event.preventDefault();
      void settled().then((ok) => {
        form.querySelector<HTMLInputElement>("[name=revision]")!.value = String(draft.now?.revision ?? "");
        if (ok) form.submit();
      });
    };
    document.addEventListener("submit", publish);
    document.addEventListener("keydown", pressed);
    document.addEventListener("click", leave);
    return () => { document.removeEventListener("keydown", pressed); document.removeEventListener("click", leave); document.removeEventListener("submit", publish); };
  });

  return (
    <>
      <div className="fbar" role="toolbar" aria-label={word("tools")}>
        {mayWrite && (
          <span className="fset">
            <label className="sr" htmlFor="flow-kind">{word("step")}</label>
            <select id="flow-kind" className="select sm" value={kind} onChange={(event) => setKind(event.target.value)}>
              {kinds.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
            </select>
            <button type="button" className="btn sm" onClick={() => void add()}><Icon name="plus" />{word("add")}</button>
          </span>
        )}
        {mayWrite && (
          <span className="fset">
            <button type="button" className="btn sm icon" disabled={!draft.canUndo} aria-label={word("undo")} title={word("undo")} onClick={() => void back(draft.undo())}><Icon name="undo" /></button>
            <button type="button" className="btn sm icon" disabled={!draft.canRedo} aria-label={word("redo")} title={word("redo")} onClick={() => void back(draft.redo())}><Icon name="redo" /></button>
          </span>
        )}
        <span className="fset end">
          {mayWrite && <button type="button" className="btn sm" onClick={() => now && void stand(arranged(now.nodes)).then(() => view.fitView({ padding: 0.12, maxZoom: 1 }))}>{word("arrange")}</button>}
          <button type="button" className="btn sm" aria-pressed={isTrying} onClick={() => void rehearse()}><Icon name="play" />{word("try")}</button>
        </span>
      </div>
      {draft.refused && (
        <div className="callout bad fconflict" role="alert">
          <Icon name="alert" />
          <div>{word("conflict")}</div>
          <span className="fset end">
            {draft.refused.do !== "put" && <button type="button" className="btn sm primary" onClick={() => void draft.meet(true).then(reshow)}>{word("again")}</button>}
            <button type="button" className="btn sm" onClick={() => void draft.meet(false).then(reshow)}>{word("theirs")}</button>
          </span>
        </div>
      )}
      <div className="fplane">
        <ReactFlow<StepNode>
          nodes={nodes} edges={edges} nodeTypes={nodeTypes} minZoom={0.2} maxZoom={1.6} fitView fitViewOptions={{ padding: 0.12, maxZoom: 1 }}
          nodesDraggable={mayWrite} nodesConnectable={mayWrite} edgesReconnectable={mayWrite} deleteKeyCode={mayWrite ? ["Delete", "Backspace"] : null}
          zoomOnDoubleClick={false} connectionRadius={32} proOptions={{ hideAttribution: true }}
          ariaLabelConfig={{ "node.a11yDescription.default": word("help_node"), "edge.a11yDescription.default": word("help_edge"), "node.a11yDescription.keyboardDisabled": word("help_node") }}
          onNodesChange={(changes) => {
            setNodes((all) => applyNodeChanges(changes, all));
            if (changes.some((one) => one.type === "position" && one.dragging === false)) moved.current ||= window.setTimeout(standNow, MOVING_MS);
            const picked = changes.find((one) => one.type === "select" && one.selected);
            if (picked?.type === "select") void press(picked.id);
          }}
          onConnect={({ source, sourceHandle, target }) => void draft.do({ do: "lead", node: source, way: sourceHandle ?? "", to: target }).then(reshow)}
          onReconnect={(edge, { source, sourceHandle, target }) => void (async () => {
            if (edge.source !== source || edge.sourceHandle !== sourceHandle) await draft.do({ do: "lead", node: edge.source, way: edge.sourceHandle ?? "", to: null });
            await draft.do({ do: "lead", node: source, way: sourceHandle ?? "", to: target });
            await reshow();
          })()}
          onBeforeDelete={async ({ nodes: gone, edges: cut }) => {
            if (gone.length) {
              await draft.do({ do: "take", nodes: gone.map((one) => one.id) });
              if (gone.some((one) => one.id === shownStep.current)) { shownStep.current = ""; await panel.show(`${action}/step`); }
            } else for (const edge of cut) await draft.do({ do: "lead", node: edge.source, way: edge.sourceHandle ?? "", to: null });
            host.querySelector<HTMLElement>(".react-flow")?.focus();
            return false; // the server draws it anew
          }}
          onPaneClick={() => setLeading(null)}
        >
          <Background variant={BackgroundVariant.Dots} gap={20} size={1.4} />
          <MiniMap<StepNode> pannable zoomable ariaLabel={word("map")} nodeBorderRadius={24} nodeClassName={(one) => `k-${one.data.step.kind}${one.data.isOnPath ? " on-path" : ""}`} />
          <Corner position="bottom-left" className="fzoom">
            <button type="button" className="btn sm icon" aria-label={word("out")} onClick={() => void view.zoomOut()}><Icon name="minus" /></button>
            <button type="button" className="btn sm icon" aria-label={word("in")} onClick={() => void view.zoomIn()}><Icon name="plus" /></button>
            <button type="button" className="btn sm" onClick={() => void view.fitView({ padding: 0.12, maxZoom: 1 })}>{word("fit")}</button>
          </Corner>
        </ReactFlow>
      </div>
      <p className="fsaid" role="status">
        {leading ? word("leading", { way: leading.word }) : now ? <><span className={now.forbidding ? "t-warn" : "t-ok"}>{now.stands}</span> · {word("saved")}</> : word("loading")}
      </p>
    </>
  );
}

createRoot(host).render(<ReactFlowProvider><Canvas /></ReactFlowProvider>);
