// What GET /console/state answers, and how the page reads it. The server is the only truth: nothing here is kept over a reload.

export interface Sip {
  endpoint: string;
  password: string;
  ws_url: string;
  /** SIP domain; the host of ws_url when left out. */
  domain?: string;
  /** Send only the 127.0.0.1 candidate (development and tests). */
  loopback_only?: boolean;
}

export interface Queue {
  id: string;
  name: string;
  company?: string;
  /** Its company rents a number that a call out may show. */
  can_dial?: boolean;
  waiting: number;
  longest_s: number | null;
  over?: boolean;
}

/** How a contact may end; `parent` is set of those that stand under another. */
export interface Outcome {
  code: string;
  label: string;
  parent?: string | null;
}

export interface State {
  agent: { name: string; number: string; seat: string | null };
  status: string;
  reason?: string | null;
  next_status?: string | null;
  activity: string;
  since: string;
  now?: string;
  offer?: { offer_id: string; call_id: string; offered_at?: string; expires_at: string } | null;
  call?: {
    call_id: string;
    offer_id?: string | null;
    answered_at: string;
    on_hold?: boolean;
    recording?: boolean;
    paused?: boolean;
    /** How a team leader is in this call; empty: none is. */
    overheard?: "" | "listen" | "whisper" | "barge";
    /** Somebody is asked about the call: a second agent, whose number `agent` is, or a number outside. */
    consult?: { stage: "ringing" | "private" | "aside" | "together"; is_asked: boolean; agent: number | null; outside?: string | null; since: string } | null;
  } | null;
  /** A call the agent has dialled by hand, until somebody picks up. */
  dial?: { call_id: string; offer_id: string; is_ringing: boolean; since: string } | null;
  wrap?: { call_id: string; offer_id?: string | null; since: string; ends_at?: string | null; can_extend?: boolean; can_skip?: boolean; needs_outcome?: boolean; came_back?: string | null; holds_over?: boolean } | null;
  sip: Sip | null;
  queues: Queue[];
  dispositions: Outcome[];
  simulator: boolean;
  /** The agent's own telephone, its number hidden but for the end; null: they have none. `code`: to be pressed there once. */
  telephone?: { number: string; is_chosen: boolean; code: string | null } | null;
}

export type Activity = "idle" | "dialling" | "ringing" | "on-call" | "wrap-up" | "offline";

// The room of seats has finer words; both are understood.
const ACTIVITIES: Record<string, Activity> = {
  available: "idle",
  away: "idle",
  reserved: "ringing",
  talking: "on-call",
  holding: "on-call",
  wrap_up: "wrap-up",
};

export const activityOf = (state: State): Activity => ACTIVITIES[state.activity] ?? (state.activity as Activity);

/** Whether calls ring at the agent's own telephone: this page then has no voice, and needs no microphone. */
export const isOutside = (state: State | null): boolean => !!state?.telephone?.is_chosen;

/** The status as the menus write it: "available", "away:meal". */
export const statusOf = (state: State): string => (state.status === "away" && state.reason ? `away:${state.reason}` : state.status);

/** "away:meal" -> {status: "away", reason: "meal"}. */
export function splitStatus(value: string): { status: string; reason: string | null } {
  const [status = "", reason] = value.split(":");
  return { status, reason: reason ?? null };
}

/** Milliseconds since the epoch, of sub-millisecond resolution and never going back. */
export const epoch = (): number => performance.timeOrigin + performance.now();
