// Standard input {model, contract, dtype, texts} -> standard output {encoded, predictions, version}.

import { text } from "node:stream/consumers";

import { env, pipeline } from "@huggingface/transformers";

import { load } from "./strijdtaal.mjs";

const { model, contract, dtype, texts } = JSON.parse(await text(process.stdin));
env.allowRemoteModels = false;
env.useFSCache = false;
const bundle = await load(pipeline, model, contract, { dtype });
const answer = { encoded: bundle.encode(texts), predictions: await bundle.predict(texts), version: env.version };
process.stdout.write(JSON.stringify(answer));
