// The draft as the server draws it, and the one way of changing it: a deed to the revision that was drawn.
import { AnswerError, post } from "../page";

export interface Way {
  way: string;
  word: string;
  /** The key of a menu that takes it. */
  key: string;
  label: string;
  to: string | null;
  taken: number;
  fault: string;
}

export interface Step {
  key: string;
  kind: string;
  word: string;
  name: string;
  says: string;
  place: [number, number] | null;
  is_start: boolean;
  ways: Way[];
  faults: string[];
  forbids: boolean;
  came: number;
  left: number;
}

export interface Drawing {
  flow: unknown;
  revision: number;
  nodes: Step[];
  made: string;
  stands: string;
  forbidding: number;
}

export type Deed =
  | { do: "add"; kind: string; after: string; way: string; place: [number, number] | null }
  | { do: "lead"; node: string; way: string; to: string | null }
  | { do: "take"; nodes: string[] }
  | { do: "move"; places: Record<string, [number, number]> }
  | { do: "put"; flow: unknown };

const CONFLICT = 409;
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The draft in this browser: what stands, what can be taken back, and a deed that met somebody else's. */
export class Draft {
  now: Drawing | null = null;
  refused: Deed | null = null;
  private past: unknown[] = [];
  private future: unknown[] = [];
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly url: string,
    private readonly changed: () => void,
    private readonly failed: (text: string) => void,
  ) {}

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  /** Take the draft as it stands now; what a form beside the drawing has changed can be taken back like a deed. */
  load(isOurs: boolean): Promise<void> {
    return this.inTurn(async () => {
      const answer = await fetch(this.url, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new AnswerError(answer.status, "", "");
      const found = (await answer.json()) as Drawing;
      if (this.now && found.revision !== this.now.revision) {
        if (isOurs) this.past.push(this.now.flow);
        else this.past = [];
        this.future = [];
      }
      this.take(found);
    });
  }

  /** Do something to the draft; resolves to the node that came of it. */
  do(deed: Deed): Promise<string> {
    return this.inTurn(async () => {
      const before = this.now?.flow;
      const made = await this.send(deed);
      if (made && before && !same(before, made.flow)) {
        this.past.push(before);
        this.future = [];
        this.changed();
      }
      return made?.made ?? "";
    });
  }

  undo(): Promise<void> {
    return this.back(this.past, this.future);
  }

  redo(): Promise<void> {
    return this.back(this.future, this.past);
  }

  /** After somebody else's change: see theirs, and do ours again on top of it if it can be. */
  async meet(again: boolean): Promise<void> {
    const deed = this.refused;
    this.refused = null;
    await this.load(false);
    if (again && deed && deed.do !== "put") await this.do(deed);
  }

  /** Wait until everything done so far is in the draft. */
  async settled(): Promise<void> {
    await this.queue;
  }

  private back(from: unknown[], to: unknown[]): Promise<void> {
    return this.inTurn(async () => {
      const flow = from.at(-1);
      const before = this.now?.flow;
      if (flow === undefined || before === undefined) return;
      if (await this.send({ do: "put", flow })) {
        from.pop();
        to.push(before);
        this.changed();
      }
    });
  }

  private async send(deed: Deed): Promise<Drawing | null> {
    if (!this.now) return null;
    try {
      const answer = await post<Drawing>(this.url, { revision: this.now.revision, deed });
      if (answer) this.take(answer);
      return answer;
    } catch (error) {
      if (!(error instanceof AnswerError)) throw error;
      if (error.status === CONFLICT) this.refused = deed;
      else this.failed(error.title || String(error));
      this.changed(); // what the hand has moved goes back to where it stood
      return null;
    }
  }

  private take(found: Drawing): void {
    this.now = found;
    this.changed();
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.queue.then(work);
    this.queue = turn.catch((error: unknown) => this.failed(String(error)));
    return turn;
  }
}
