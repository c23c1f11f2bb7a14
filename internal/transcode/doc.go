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
// Neither way is a message built or asked field by field: JSON and protobuf's wire
// format are both texts of tagged values, and the tables lead from one to the
// other. [Plan.Request] writes path, query and JSON body of a request message.
// [Plan.Answer] reads the JSON of an answer once and writes the wire format, which
// is what gRPC sends; whoever needs the typed message calls [Answer.Unmarshal].
//
// protojson does neither: it writes int64 as strings, cannot spell Mavera's mixed
// key styles, and silently drops enum words that it does not know.
//
// # Nothing is lost
//
// What the proto does not model is kept: an unknown key, a value of another type
// than the modelled one, and an unknown enum word go to the additional_fields of
// the nearest message, and each is reported as a [Loss] so that it can be
// counted. Of a key that comes twice the first value counts, and the other is kept
// like an unknown key. JSON null reads as an unset field.
//
// Four things do change on the way. In free-form values, numbers beyond a double's
// precision are rounded and numbers beyond its range become strings. Text that is
// not valid Unicode gets replacement characters, since protobuf could not carry
// it. These are reported too. And of equal keys in one free-form object the last
// value stays, as in every other JSON reader.
//
// # Pages
//
// Lists look the same whatever the upstream's envelope (AIP-158). Page tokens hold
// the place in the upstream's list, so nothing is remembered between pages; they
// are bound to the RPC and its filters. Lists that the upstream gives whole are
// cut here.
//
// The package knows neither limits nor retries, and makes no HTTP calls.
package transcode
