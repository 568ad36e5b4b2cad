/**
 * The numbers of a run in Prometheus' text format 0.0.4, for its own endpoint or for the textfile collector of node_exporter.
 */
import type { MetricsLine } from "./line.ts";

/** The content type of the format. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

const RUN = [
  ["batch", "batch", "Batches served."],
  ["tokens", "tokens", "Tokens served."],
  ["stage", "stage", "Stage that governs the next batch."],
  ["loss", "loss", "Mean loss of the last batch that said so, nats a token."],
  ["tokens_per_second", "tokensPerSecond", "Tokens a second since the last line."],
] as const;

const DOMAIN = [
  ["weight", "weight", "Weight asked for in the next batch."],
  ["share", "share", "Rows served over all rows served."],
  ["loss", "loss", "Mean loss in the newest report, nats a token."],
  ["epochs", "epochs", "Passes over the domain so far."],
  ["tokens_left", "tokensLeft", "Tokens not served yet."],
  ["dry_batch", "dryBatch", "Batch by which no unseen row is left, predicted."],
  ["dry_tokens", "dryTokens", "Tokens of the run by which no unseen row is left, predicted."],
] as const;

/** The text; what is unknown (null) is left out. `run` is the label that tells runs apart. */
export function prometheusText(run: string, line: MetricsLine): string {
  const out: string[] = [];
  const gauge = (name: string, help: string, samples: readonly (readonly [string, number | null])[]) => {
    const known = samples.filter(([, value]) => value !== null);
    if (known.length === 0) return;
    out.push(`# HELP headrace_${name} ${help}`, `# TYPE headrace_${name} gauge`);
    for (const [labels, value] of known) out.push(`headrace_${name}{${labels}} ${value}`);
  };
  const label = `run="${escaped(run)}"`;
  for (const [name, field, help] of RUN) gauge(name, help, [[label, line[field]]]);
  for (const [name, field, help] of DOMAIN)
    gauge(
      `domain_${name}`,
      help,
      Object.entries(line.domains).map(([domain, numbers]) => [
        `${label},domain="${escaped(domain)}"`,
        numbers[field],
      ]),
    );
  return `${out.join("\n")}\n`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
