/**
 * A project that uses the packed package, compiled by test/package.test.ts: every entry point has types, and they are not `any`.
 */
import * as headrace from "headrace";
import * as filters from "headrace/filters";
import * as pipeline from "headrace/pipeline";
import * as samplers from "headrace/samplers";
import * as shards from "headrace/shards";
import * as trainer from "headrace/trainer";

type IsAny<T> = 0 extends 1 & T ? true : false;
type Typed<M> = { [K in keyof M]: IsAny<M[K]> extends true ? K : never }[keyof M];

/** Fails to compile with the names of exports that came out as `any`. */
function typed<M>(_module: M, ..._any: Typed<M>[] extends never[] ? [] : [Typed<M>]): void {}

typed(headrace);
typed(filters);
typed(pipeline);
typed(samplers);
typed(shards);
typed(trainer);

// @ts-expect-error a module that is not an entry point cannot be imported
export type Deep = typeof import("headrace/core/hash.js");

export const weights: headrace.DomainWeights = headrace.domainWeights({ c4: 1 });

// @ts-expect-error a plain object is not weights: only domainWeights makes them
export const unchecked: headrace.DomainWeights = { c4: 1 };
