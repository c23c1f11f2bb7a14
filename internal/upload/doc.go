// Package upload puts the bytes of a file to the storage behind Mavera, at an address
// that Mavera has signed.
//
// A [Body] reads the file from its source, counts and hashes it on the way, and keeps
// the end back until all of it is known to be what was announced. A mismatch therefore
// breaks the request off before the storage has the whole, and no storage keeps half an
// object. [Storage.Put] sends a body in one request. A [Watch] ends both when either
// side stands still.
//
// # What goes to the storage
//
// The headers that Mavera returned, and what HTTP needs: Host, Content-Length, and
// Expect: 100-continue, by which the storage may refuse the request before a byte of
// the file is sent. Never the key of the API.
//
// # Which addresses are accepted
//
// The address comes from Mavera, and is not trusted with the gateway's network: https
// alone, on a public address, whatever name leads to it. See [Rules] for the exceptions.
// Redirects are never followed.
//
// An address is a credential, since its query holds a signature: no error of this
// package holds one.
//
// The package knows neither gRPC nor the rest of Mavera's API. It makes one attempt.
package upload
