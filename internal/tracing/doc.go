// Package tracing makes the spans of a call: what the gateway did for it, in the
// words of OpenTelemetry's semantic conventions (v1.43.0 for RPC and HTTP; those of
// GenAI for calls that generate).
//
//	RPC server span                        below the caller's
//	└ exchange                             one for each call to Mavera, over all attempts
//	  ├ wait for a slot, wait for a place  where the call queued
//	  ├ POST /responses                    one HTTP client span per attempt, siblings
//	  └ POST /responses                    http.request.resend_count 1
//
// # Notes first, spans last
//
// A call takes notes as it goes, a few times and numbers ([Trail], [Exchange]). When
// it ends, spans are written from them, with the times that were noted, or not: a call
// that the sampler did not choose, and that went well, has cost the notes alone. One
// that failed is written although it was not chosen, whole, the server span included,
// which by then is gone: a sampler decides before anybody knows what comes of a call,
// and refusals are what traces are looked for most.
//
// A nil *Recorder, *Trail or *Exchange notes nothing, so that nobody has to ask
// whether traces are on.
//
// # What is kept back
//
// Texts of callers are cut and redacted, values of query parameters shown only where
// they are ids, numbers or words of a list. Prompts, answers and keys never get here.
package tracing
