import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addAccounts, holdOut, type Outcome, requireBalance, Tally } from "../../pipeline/account.ts";

const FILTERS = ["ads", "fluency"];
const event = fc.oneof(
  fc.record({
    kind: fc.constant("document" as const),
    domain: fc.constantFrom("c4", "book", "zeta"),
    outcome: fc.constantFrom<Outcome>(
      { kind: "kept" },
      { kind: "held-out" },
      { kind: "dropped", filter: "ads" },
      { kind: "dropped", filter: "fluency" },
    ),
    tokens: fc.integer({ min: 0, max: 99 }),
  }),
  fc.record({ kind: fc.constant("quarantined" as const), domain: fc.constantFrom("c4", undefined) }),
);

function tallied(events: readonly (typeof event extends fc.Arbitrary<infer T> ? T : never)[]) {
  const tally = new Tally(FILTERS);
  for (const e of events)
    if (e.kind === "document") tally.document(e.domain, e.outcome, e.tokens);
    else tally.quarantined(e.domain);
  return tally.account();
}

test("whatever happens, read is kept + held out + dropped + quarantined, and parts add up to the whole", () => {
  fc.assert(
    fc.property(fc.array(event), fc.nat(50), (events, cut) => {
      const whole = tallied(events);
      requireBalance(whole);
      assert.equal(whole.read, events.length);
      const parts = [tallied(events.slice(0, cut)), tallied(events.slice(cut))];
      const order = ["book", "c4"];
      assert.deepEqual(addAccounts(parts, FILTERS, order), addAccounts([whole], FILTERS, order));
    }),
  );
});

test("domains come in the order given, others after them by name", () => {
  const tally = new Tally([]);
  for (const domain of ["zeta", "alpha", "book", "c4"]) tally.document(domain, { kind: "kept" }, 1);
  assert.deepEqual(Object.keys(addAccounts([tally.account()], [], ["c4", "book", "absent"]).domains), [
    "c4",
    "book",
    "alpha",
    "zeta",
  ]);
});

test("holding out moves documents and tokens, and a gap stays accounted for", () => {
  const tally = new Tally([]);
  for (const tokens of [10, 20, 30]) tally.document("c4", { kind: "kept" }, tokens);
  tally.document("book", { kind: "kept" }, 100);
  const account = holdOut(tally.account(), {
    c4: { documents: 1, tokens: 20, gap: 0 },
    book: { documents: 0, tokens: 30, gap: 10 },
  });
  requireBalance(account);
  assert.deepEqual([account.kept, account.heldOut], [3, 1]);
  assert.deepEqual(account.domains["c4"]?.tokens, { kept: 40, heldOut: 20, gap: 0, dropped: {} });
  assert.deepEqual(account.domains["book"]?.tokens, { kept: 60, heldOut: 30, gap: 10, dropped: {} });
});

test("an account that does not balance is refused with its numbers", () => {
  const tally = new Tally(["ads"]);
  tally.document("c4", { kind: "dropped", filter: "ads" }, 5);
  const account = tally.account();
  assert.throws(() => requireBalance({ ...account, read: 2 }), {
    code: "ERR_ACCOUNT",
    message:
      "the build read 2 records, but kept 0 + held out 0 + dropped 1 + quarantined 0; please report this",
  });
  assert.throws(() => requireBalance({ ...account, bytes: { read: 5, unreadable: 1, total: 7 } }), {
    code: "ERR_ACCOUNT",
    message: "5 bytes read + 1 unreadable is not the 7 bytes of the input; please report this",
  });
});
