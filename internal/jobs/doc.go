// Package jobs polls Mavera's jobs, which tell nobody when they change: no webhook or
// callback is documented for any of them. There are two reasons to poll a job, and one
// poller for both.
//
// A [Follower] keeps the slots of running jobs true. Mavera caps how many jobs of a kind
// may run at a time for one key. A slot of [resilience.Bulkhead] stands for each; the
// call that starts a job leaves its slot to it. The follower finds out when jobs are over
// that nobody asks about:
//
//   - At the start it lists all jobs and gives slots to those that run, because a
//     process before this one may have started them. Calls do not wait for that: until
//     the listing is through, more may be let in than Mavera has room for, and Mavera
//     refuses them itself.
//   - Then it polls the jobs that hold slots, several of a family by listing, one by
//     itself.
//   - Every minute it frees the slots of jobs that are too old to be believed in.
//
// A [Hub] shows jobs to those who watch them. Each job that is watched, by however many,
// has one poller, which ends with the last of them. It sees the whole object, so the
// follower leaves such a job to it, and what holds no slot is polled only while it is
// watched.
//
// All polls of a key share a [Pace], so that they fit the part of the rate limit that is
// kept for them: where they would not, every interval is stretched alike.
package jobs
