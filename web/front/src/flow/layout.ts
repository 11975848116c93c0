// Where steps stand that nobody has placed: in layers from the start down, as Graphviz would draw them.
import { graphlib, layout } from "@dagrejs/dagre";
import type { Step } from "./drawing";

export const WIDTH = 236;
const LOW = 92;
const CHIPS_A_ROW = 4;
const CHIP_ROW = 30;

export interface Spot {
  x: number;
  y: number;
}

const height = (step: Step): number => LOW + CHIP_ROW * Math.max(0, Math.ceil(step.ways.length / CHIPS_A_ROW) - 1);

/** A place for every step, as if nobody had placed any. */
export function arranged(steps: readonly Step[]): Map<string, Spot> {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 36, ranksep: 64, marginx: 20, marginy: 20 });
  graph.setDefaultEdgeLabel(() => ({}));
  const known = new Set(steps.map((one) => one.key));
  for (const one of steps) graph.setNode(one.key, { width: WIDTH, height: height(one) });
  for (const one of steps) for (const way of one.ways) if (way.to && known.has(way.to)) graph.setEdge(one.key, way.to);
  layout(graph);
  const spots = new Map<string, Spot>();
  for (const one of steps) {
    const { x, y } = graph.node(one.key) as Spot;
    spots.set(one.key, { x: Math.round(x - WIDTH / 2), y: Math.round(y - height(one) / 2) });
  }
  return spots;
}

/** Where each step stands: where somebody has put it, or beside what leads to it. */
export function places(steps: readonly Step[]): Map<string, Spot> {
  const free = arranged(steps);
  const found = new Map<string, Spot>();
  for (const one of steps) if (one.place) found.set(one.key, { x: one.place[0], y: one.place[1] });
  for (const one of steps) {
    if (found.has(one.key)) continue;
    const from = steps.find((other) => other.place && other.ways.some((way) => way.to === one.key));
    const spot = free.get(one.key) ?? { x: 0, y: 0 };
    const [at, was] = [from && found.get(from.key), from && free.get(from.key)];
    found.set(one.key, at && was ? { x: spot.x + at.x - was.x, y: spot.y + at.y - was.y } : spot);
  }
  return found;
}
