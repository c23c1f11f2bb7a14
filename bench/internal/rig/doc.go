// Package rig is what the benchmarks of this directory have in common: it starts
// programs, serves floors to measure the gateway against, streams replies in place of
// Mavera, and reads what a process has used. Figures come from /proc, so it is for Linux.
package rig
