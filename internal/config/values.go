package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// parseText accepts any text, such as a path.
func parseText(text string) (string, error) {
	return text, nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case on:
		return true, nil
	case off:
		return false, nil
	default:
		return false, errors.New("want true or false")
	}
}

// parseAddr accepts what net.Listen does, but only with a port number, so that
// a typing error is not looked up as a service name.
func parseAddr(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("want host:port, such as 127.0.0.1:9090 or :50051")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", errors.New("want a port from 0 to 65535")
	}
	if strings.ContainsAny(host, "/ \t\r\n") {
		return "", errors.New("want an address or a name before the port, not a URL")
	}
	return text, nil
}

func parseShare(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	// Written so that NaN is refused.
	if err != nil || !(share > 0 && share <= 1) {
		return 0, errors.New("want a number above 0 and at most 1")
	}
	return share, nil
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, errors.New("want debug, info, warn or error")
	}
}

func intBetween(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		number, err := strconv.Atoi(text)
		if err != nil || number < low || number > high {
			return 0, fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		return number, nil
	}
}

func numberBetween(low, high float64) func(string) (float64, error) {
	return func(text string) (float64, error) {
		number, err := strconv.ParseFloat(text, 64)
		// Written so that NaN is refused.
		if err != nil || !(number >= low && number <= high) {
			return 0, fmt.Errorf("want a number from %s to %s", formatNumber(low), formatNumber(high))
		}
		return number, nil
	}
}

func formatNumber(number float64) string { return strconv.FormatFloat(number, 'g', -1, 64) }

func durationBetween(low, high time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		duration, err := time.ParseDuration(text)
		if err != nil {
			return 0, errors.New("want a duration with its unit, such as 90s or 1m30s")
		}
		if duration < low || duration > high {
			return 0, fmt.Errorf("want a duration from %s to %s", shortDuration(low), shortDuration(high))
		}
		return duration, nil
	}
}

// shortDuration is the String of a duration without the zero minutes and
// seconds at its end: 1h for 1h0m0s.
func shortDuration(duration time.Duration) string {
	text := duration.String()
	if short, found := strings.CutSuffix(text, "m0s"); found {
		text = short + "m"
	}
	if short, found := strings.CutSuffix(text, "h0m"); found {
		text = short + "h"
	}
	return text
}

func baseURLRow() *Setting {
	setting := row(Setting{
		Name: "base_url", Env: "MAVERA_BASE_URL", Type: "URL", Default: "https://app.mavera.io/api/v1",
		Help: "Where Mavera's API is. Plain http is accepted on this machine only, unless allow_insecure_upstream is set.",
	}, func(c *Config) **url.URL { return &c.BaseURL }, parseBaseURL)
	setting.hide = hideCredentials
	return setting
}

// parseBaseURL accepts an absolute http or https URL. User information, query
// and fragment are refused: the gateway adds a path, a query and the
// credential itself. Its errors quote nothing, because what is wrong with a
// URL may be a password in the wrong place.
func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(text)
	if err != nil {
		return nil, errors.New("want a URL such as https://app.mavera.io/api/v1")
	}
	switch {
	case base.Scheme != "https" && base.Scheme != "http":
		return nil, errors.New("want a URL that starts with https:// (or http://)")
	case base.User != nil:
		return nil, errors.New("a user or password in the URL is not accepted; the key is a setting of its own")
	case base.Hostname() == "":
		return nil, errors.New("the URL has no host")
	case base.RawQuery != "" || base.ForceQuery:
		return nil, errors.New("a query in the URL is not accepted")
	case base.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, errors.New("a fragment in the URL is not accepted")
	}
	if port := base.Port(); port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return nil, errors.New("want a port from 1 to 65535")
		}
	}
	for segment := range strings.SplitSeq(base.Path, "/") {
		if segment == "." || segment == ".." {
			return nil, errors.New("the segments . and .. are not accepted in the path")
		}
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = strings.TrimRight(base.RawPath, "/")
	return base, nil
}

// hideCredentials cuts a URL to what can't be a password: what follows the
// last @, up to the query.
func hideCredentials(text string) string {
	if at := strings.LastIndexByte(text, '@'); at >= 0 {
		text = "..." + text[at:]
	}
	if at := strings.IndexAny(text, "?#"); at >= 0 {
		text = text[:at] + "..."
	}
	return text
}
