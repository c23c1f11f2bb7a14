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

func TestQuantile(t *testing.T) {
	thousand := make([]int, 1000)
	for i := range thousand {
		thousand[i] = i + 1
	}
	for _, tc := range []struct {
		name  string
		in    []int
		share float64
		want  int
	}{
		{"none", nil, 0.5, 0},
		{"one is all of them", []int{7}, 0.999, 7},
		{"half", thousand, 0.5, 500},
		{"99 of a hundred", thousand, 0.99, 990},
		{"999 of a thousand", thousand, 0.999, 999},
		{"the largest", thousand, 1, 1000},
		{"of few the tail is the largest", []int{1, 2, 3}, 0.99, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Quantile(tc.in, tc.share); got != tc.want {
				t.Errorf("Quantile = %d, want %d", got, tc.want)
			}
		})
	}
}
