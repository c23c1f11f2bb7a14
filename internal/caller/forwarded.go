package caller

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Header is the header in which a proxy reports the certificate of its own client, in
// Envoy's form (envoyproxy.io/docs, "x-forwarded-client-cert").
const Header = "x-forwarded-client-cert"

// maxForwarded is the longest header that is read, in bytes: several whole chains.
const maxForwarded = 64 << 10

// A Forwarded is one element of the header: the certificate that one proxy on the way
// has seen.
type Forwarded struct {
	By      []string // subject alternative names of the proxy that wrote it
	Hash    string   // SHA-256 of the certificate, in hexadecimal digits
	Cert    string   // the certificate, PEM, URL-encoded
	Chain   string   // the same with its intermediates
	Subject string
	URI     []string // subject alternative names of the certificate
	DNS     []string
}

// ParseForwarded reads a header: elements separated by commas, oldest first, each of
// pairs key=value separated by semicolons. Keys are those of [Forwarded] in any case;
// others are left out. A value may be in double quotes, and then a backslash takes the
// special meaning from the next character.
//
// It is strict, and one mistake spoils the whole header. A proxy that appends writes
// behind what its client sent, so that a client could otherwise open a quote which
// swallows what the proxy says of it.
func ParseForwarded(header string) ([]Forwarded, error) {
	if len(header) > maxForwarded {
		return nil, fmt.Errorf("it has more than %d bytes", maxForwarded)
	}
	var elements []Forwarded
	element := Forwarded{}
	for rest := header; ; {
		key, after, found := strings.Cut(rest, "=")
		key = strings.Trim(key, " \t")
		if !found || key == "" || strings.ContainsAny(key, ",;\"") {
			return nil, fmt.Errorf("want key=value at byte %d", len(header)-len(rest))
		}
		value, after, err := readValue(after)
		if err != nil {
			return nil, fmt.Errorf("value of %q: %w", key, err)
		}
		if err := element.set(key, value); err != nil {
			return nil, err
		}
		if after == "" || after[0] == ',' {
			elements = append(elements, element)
			element = Forwarded{}
		}
		if after == "" {
			return elements, nil
		}
		rest = after[1:]
	}
}

// readValue reads a value up to the comma or semicolon that ends it, or to the end.
func readValue(text string) (value, after string, err error) {
	text = strings.TrimLeft(text, " \t")
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ",;")
		if end < 0 {
			end = len(text)
		}
		value = strings.TrimRight(text[:end], " \t")
		if strings.Contains(value, `"`) {
			return "", "", errors.New("a quote inside a value without quotes")
		}
		return value, text[end:], nil
	}
	var unquoted strings.Builder
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			after = strings.TrimLeft(text[i+1:], " \t")
			if after != "" && after[0] != ',' && after[0] != ';' {
				return "", "", errors.New("text after the closing quote")
			}
			return unquoted.String(), after, nil
		case '\\':
			i++
			if i == len(text) {
				return "", "", errors.New("the quote is not closed")
			}
		}
		unquoted.WriteByte(text[i])
	}
	return "", "", errors.New("the quote is not closed")
}

// set takes a pair in. Names may be there several times, all else only once.
func (f *Forwarded) set(key, value string) error {
	var once *string
	switch strings.ToLower(key) {
	case "by":
		f.By = append(f.By, value)
	case "uri":
		f.URI = append(f.URI, value)
	case "dns":
		f.DNS = append(f.DNS, value)
	case "hash":
		once = &f.Hash
	case "cert":
		once = &f.Cert
	case "chain":
		once = &f.Chain
	case "subject":
		once = &f.Subject
	}
	if once == nil {
		return nil
	}
	if *once != "" {
		return fmt.Errorf("%q is there twice", key)
	}
	*once = value
	return nil
}

// ID returns the identity that the element gives, by the rules of [FromCertificate].
// Names that the proxy has taken out of the certificate are preferred to the
// certificate itself, which is the way of proxies that cannot take them out (nginx).
func (f *Forwarded) ID() ID {
	if len(f.URI) > 0 || len(f.DNS) > 0 {
		return fromNames(f.URI, f.DNS)
	}
	text, err := url.PathUnescape(f.Cert)
	if err != nil {
		return Nobody
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return Nobody
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Nobody
	}
	return FromCertificate(certificate)
}
