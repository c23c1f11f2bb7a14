// Package mavera makes one HTTP exchange with the Mavera REST API and says what
// became of it.
//
// [Client.Attempt] sends a translated request with the key, reads the answer
// within a size limit and has it translated back. Whatever else happens, be it a
// refusal, a lost connection, a deadline or a body that makes no sense, becomes a
// [Failure]: which one is decided by a single table (table.go), and
// [Failure.Status] spells it as a gRPC status with the details of AIP-193.
//
// # What is kept back
//
// A Failure has two halves. The public one goes to callers: it never holds a key,
// a host name, a stack trace or markup. Of what Mavera says, the message is passed
// on for 4xx alone and only if it looks meant for callers; codes, types and
// parameters only if they are spelled like ones. The private half is the wrapped
// cause, for the logs.
//
// # What may be repeated
//
// A request counts as sent from the moment a connection was found for it. From
// then on an unanswered call may have been carried out, and one that must not be
// done twice gets UNKNOWN rather than a status that proxies and clients replay by
// themselves.
//
// The package makes one attempt: it neither retries nor waits nor follows
// redirects.
package mavera
