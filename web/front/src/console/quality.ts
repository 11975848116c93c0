// What the call sounds like, from the browser's own statistics.

export interface Stats {
  packets_in: number;
  packets_out: number;
  /** Per cent of what was sent that did not arrive, as the far end says; 0 until it has said so. */
  loss_out_percent: number;
  lost: number;
  loss_percent: number;
  jitter_ms: number;
  rtt_ms: number | null;
  energy_in: number;
  codec: string;
  local: string[];
  remote: string[];
  mos: number;
}

/** Gather the figures of one call. */
export function read(report: RTCStatsReport): Stats {
  const out: Stats = { packets_in: 0, packets_out: 0, loss_out_percent: 0, lost: 0, loss_percent: 0, jitter_ms: 0, rtt_ms: null, energy_in: 0, codec: "", local: [], remote: [], mos: 0 };
  for (const one of report.values() as Iterable<Record<string, unknown>>) {
    const number = (name: string): number => (typeof one[name] === "number" ? one[name] : 0);
    if (one["type"] === "inbound-rtp") {
      out.packets_in = number("packetsReceived");
      out.lost = number("packetsLost");
      out.jitter_ms = number("jitter") * 1000;
      out.energy_in = number("totalAudioEnergy");
    } else if (one["type"] === "remote-inbound-rtp") out.loss_out_percent = 100 * number("fractionLost");
    else if (one["type"] === "outbound-rtp") out.packets_out = number("packetsSent");
    else if (one["type"] === "candidate-pair" && one["nominated"]) out.rtt_ms = number("currentRoundTripTime") * 1000;
    else if (one["type"] === "codec") out.codec ||= String(one["mimeType"]);
    else if (one["type"] === "local-candidate") out.local.push(`${String(one["address"])}:${String(one["port"])}`);
    else if (one["type"] === "remote-candidate") out.remote.push(`${String(one["address"])}:${String(one["port"])}`);
  }
  const all = out.packets_in + out.lost;
  out.loss_percent = all > 0 ? (100 * Math.max(0, out.lost)) / all : 0;
  out.mos = mos(out);
  return out;
}

/**
 * A mean opinion score from delay, jitter and loss: the E-model of ITU-T G.107, its usual short form for VoIP.
 * No loss, no delay: 4.4.
 */
export function mos(stats: Pick<Stats, "packets_in" | "lost" | "jitter_ms" | "rtt_ms">): number {
  const delay = (stats.rtt_ms ?? 0) / 2 + 2 * stats.jitter_ms + 10;
  const all = stats.packets_in + stats.lost;
  const loss = all > 0 ? (100 * Math.max(0, stats.lost)) / all : 0;
  let rating = 93.2 - (delay < 160 ? delay / 40 : (delay - 120) / 10) - 2.5 * loss;
  rating = Math.min(100, Math.max(0, rating));
  return 1 + 0.035 * rating + 7e-6 * rating * (rating - 60) * (100 - rating);
}
