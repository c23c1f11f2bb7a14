package rig

import "testing"

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []int
		want int
	}{
		{"one", []int{7}, 7},
		{"odd", []int{9, 1, 5}, 5},
		{"even: the lower", []int{4, 1, 3, 2}, 2},
		{"an outlier does not count", []int{10, 11, 9000}, 11},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Median(tc.in); got != tc.want {
				t.Errorf("Median(%v) = %d, want %d", tc.in, got, tc.want)
			}
		})
	}
}
