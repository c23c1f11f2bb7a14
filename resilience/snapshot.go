package resilience

// Snapshot is how things stand with one key, for metrics and pages.
type Snapshot struct {
	// Window is the rate limit window, Queued who waits for it, by class.
	Window WindowUsage
	Queued Waiting
	// RetryBudget is how many retries could be spent at once.
	RetryBudget int
	// Breakers has the state of each family's breaker.
	Breakers map[string]State
	// Slots has the slots of each family that is capped.
	Slots map[string]SlotUsage
	// Watches is how many watch jobs of each family of jobs, WatchedJobs how many jobs
	// those are: of all keys.
	Watches, WatchedJobs map[string]int
}
