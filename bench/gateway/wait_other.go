//go:build !linux

package main

// punctually runs f with the wait that there is: figures need Linux anyway.
func punctually(f func(wait)) { f(sleep) }
