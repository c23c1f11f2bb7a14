package rig

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
)

func TestTree(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the figures come from /proc, which only Linux has")
	}
	command := exec.CommandContext(t.Context(), "cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	tree := Tree(os.Getpid())
	if tree[0] != os.Getpid() || !slices.Contains(tree, command.Process.Pid) {
		t.Errorf("Tree = %v, want %d first and the child %d", tree, os.Getpid(), command.Process.Pid)
	}
	own, _, err := Memory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if peak, err := PeakOfTree(os.Getpid()); err != nil || peak <= own {
		t.Errorf("PeakOfTree = %d, %v, want more than the %d of the parent", peak, err, own)
	}
	if _, err := UsageOfTree(os.Getpid()); err != nil {
		t.Error(err)
	}
	input.Close()
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}
