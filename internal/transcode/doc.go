// Package transcode turns gRPC requests into HTTP requests of the Mavera REST
// API, and Mavera's JSON answers into protobuf.
//
// The .proto files are the only source. When the gateway starts, [Compile] turns
// every RPC into a [Plan]: its route, its query and body, how it is paged, and
// for each message a table from JSON keys to fields. Any mistake in the protos is
// found there and named; at request time a plan only walks its tables.
//
// # There and back
//
// [Plan.Request] reads a request message by reflection and writes path, query
// and JSON body. [Plan.Answer] goes the other way without building a message:
// it reads the JSON once and writes protobuf wire format, which is what gRPC
// sends. Whoever needs the typed message unmarshals [Answer.Wire].
//
// protojson does neither: it writes int64 as strings, cannot spell Mavera's mixed
// key styles, and silently drops enum words that it does not know.
//
// # Nothing is lost
//
// What the proto does not model is kept: an unknown key, a value of another type
// than the modelled one, and an unknown enum word go to the additional_fields of
// the nearest message, and each is reported as a [Loss] so that it can be
// counted. JSON null reads as an unset field. Three things do change on the way:
// numbers beyond a double's precision inside free-form values are rounded,
// numbers beyond its range become strings, and text that is not valid Unicode
// gets replacement characters, since protobuf could not carry it; these are
// reported too.
//
// The package knows neither limits nor retries, and makes no HTTP calls.
package transcode
