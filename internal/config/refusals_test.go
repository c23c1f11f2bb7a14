package config

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name    string
		args    []string
		environ []string
		files   files
		want    []string
	}{
		{name: "no key", want: []string{
			"api_key: there is no Mavera key; set MAVERA_API_KEY or MAVERA_API_KEY_FILE, or run against the embedded simulator with --simulator",
		}},
		{
			name: "two keys", args: []string{"--api-key-file=k"}, environ: []string{"MAVERA_API_KEY=" + key},
			want: []string{"api_key (environment MAVERA_API_KEY): api_key_file (flag --api-key-file) is set as well; keep one of the two"},
		},
		{
			name: "a key as a flag", args: []string{"--api-key", key, "--simulator"},
			want: []string{"--api-key (command line): there is no such flag, because flags can be read by every user of the machine; use MAVERA_API_KEY"},
		},
		{
			name: "a key in place of a command", args: []string{key, "--simulator", "--x-" + key},
			want: []string{
				"mvra_live_abcd... (command line): unexpected argument",
				"--x-mvra_live_abcd... (command line): unknown flag",
			},
		},
		{
			name: "everything wrong at once", args: []string{"--config=etc/a.yaml", "--simulatr", "on", "--share", "2", "extra", "--", "--max-answer-bytes=5TB", "--drain-timeout"},
			environ: []string{"GATEWAY_GRPC_ADR=:1", "GATEWAY_PORT=8080", "MAVERA_WORKSPACE=x", "GATEWAY_KEEPALIVE_TIME=1", "MAVERA_API_KEY=mvra_live_é"},
			files:   files{"etc/a.yaml": "grpc_addr: 50051\nlog_lvel: info\nhealth: maybe\nhealth: true\nreflection: [true]\n<<: {share: 1}\nconfig: b\n? [a]\n: b\n"},
			want: []string{
				"--simulatr (command line): unknown flag; did you mean --simulator?",
				"extra (command line): unexpected argument",
				"-- (command line): unexpected argument",
				"drain_timeout (flag --drain-timeout): the flag needs a value",
				"GATEWAY_GRPC_ADR (environment): unknown variable; did you mean GATEWAY_GRPC_ADDR?",
				"GATEWAY_PORT (environment): unknown variable",
				"MAVERA_WORKSPACE (environment): unknown variable",
				"log_lvel (a.yaml:2): unknown setting; did you mean log_level?",
				"health (a.yaml:4): already set in line 3",
				"reflection (a.yaml:5): want a single value",
				"<< (a.yaml:6): unknown setting",
				"config (a.yaml:7): unknown setting",
				"config (a.yaml:8): a key has to be the name of a setting",
				`grpc_addr = "50051" (a.yaml:1): want host:port, such as 127.0.0.1:9090 or :50051`,
				`health = "maybe" (a.yaml:3): want true or false`,
				`keepalive_time = "1" (environment GATEWAY_KEEPALIVE_TIME): want a duration with its unit, such as 90s or 1m30s`,
				"api_key (environment MAVERA_API_KEY): character 11 of the key is not visible ASCII",
				`share = "2" (flag --share): want a number above 0 and at most 1`,
				`max_answer_bytes = "5TB" (flag --max-answer-bytes): want a size such as 512KiB, 32MiB or 1048576`,
			},
		},
		{
			name: "a wrong value that is overridden", args: []string{"--share=1", "--simulator"}, environ: []string{"GATEWAY_SHARE=all"},
			want: []string{`share = "all" (environment GATEWAY_SHARE): want a number above 0 and at most 1`},
		},
		{
			name: "file missing", environ: []string{"GATEWAY_CONFIG=none.yaml"},
			want: []string{`config = "none.yaml": open none.yaml: file does not exist`},
		},
		{
			name: "file of another form", args: []string{"--config=a.yaml"}, files: files{"a.yaml": "# list\n- a\n"},
			want: []string{`config = "a.yaml": line 2: want settings in the form name: value`},
		},
		{
			name: "two documents", args: []string{"--config=a.yaml"}, files: files{"a.yaml": "share: 1\n---\nshare: 1\n"},
			want: []string{`config = "a.yaml": want one YAML document`},
		},
		{
			name: "plain http to another machine", environ: []string{"MAVERA_API_KEY=" + key, "MAVERA_BASE_URL=http://mavera.local/v1"},
			want: []string{`base_url = "http://mavera.local/v1" (environment MAVERA_BASE_URL): the key would travel unencrypted; use https, or set allow_insecure_upstream`},
		},
		{
			name: "simulator and another upstream", args: []string{"--simulator", "--base-url=https://mavera.local"},
			want: []string{`base_url = "https://mavera.local" (flag --base-url): the simulator (flag --simulator) sets it; leave out one of the two`},
		},
		{
			name: "half a certificate", args: []string{"--simulator", "--tls-cert-file=a.pem", "--tls-client-auth=maybe"},
			want: []string{
				`tls_client_auth = "maybe" (flag --tls-client-auth): want require or verify-if-given`,
				`tls_cert_file = "a.pem" (flag --tls-cert-file): tls_key_file is missing`,
			},
		},
		{
			name: "a key without its certificate, and authorities for nothing",
			args: []string{"--simulator", "--tls-key-file=a.key", "--tls-client-ca-file=ca.pem"},
			want: []string{
				`tls_key_file = "a.key" (flag --tls-key-file): tls_cert_file is missing`,
				`tls_client_ca_file = "ca.pem" (flag --tls-client-ca-file): callers show certificates over TLS only; set tls_cert_file and tls_key_file`,
			},
		},
		{
			name: "protection that would be none", args: []string{"--simulator", "--tls-client-auth=require", "--trusted-proxies=spiffe://example.org/edge"},
			want: []string{
				`tls_client_auth = "require" (flag --tls-client-auth): no certificate can be checked; set tls_client_ca_file`,
				`trusted_proxies = "spiffe://example.org/edge" (flag --trusted-proxies): a proxy is known by its identity through mTLS only; set tls_client_ca_file, or name its address`,
			},
		},
		{
			name: "callers that cannot be known", args: []string{"--simulator", "--allow-callers=*=dns:a"},
			want: []string{`allow_callers = "*=dns:a" (flag --allow-callers): nobody's identity can be verified; set tls_client_ca_file or trusted_proxies`},
		},
		{
			name: "lists that are none", args: []string{"--config=a.yaml", "--simulator"},
			environ: []string{"GATEWAY_TRUSTED_PROXIES=10.0.0.0/8,edge"},
			files:   files{"a.yaml": "trusted_proxies: [[a]]\nallow_callers:\n  a.S: ['dns:a,dns:b']\nreflection: [true]\n"},
			want: []string{
				"trusted_proxies (a.yaml:1): want lists of single values without commas, semicolons and equals signs",
				"allow_callers (a.yaml:2): a.S: want lists of single values without commas, semicolons and equals signs",
				"reflection (a.yaml:4): want a single value",
				`trusted_proxies = "10.0.0.0/8,edge" (environment GATEWAY_TRUSTED_PROXIES): "edge": want spiffe://<trust domain>/<path>, dns:<name>, an address or a network such as 10.0.0.0/8`,
			},
		},
		{
			name: "a list of nobody", args: []string{"--config=a.yaml", "--simulator"}, files: files{"a.yaml": "allow_callers: {}\n"},
			want: []string{"allow_callers (a.yaml:1): the list is empty, which would not mean nobody; leave the setting out"},
		},
		{
			name: "mappings that are none", args: []string{"--config=a.yaml", "--simulator", "--trusted-proxies=10.0.0.1"},
			files: files{"a.yaml": "trusted_proxies: {a: b}\nallow_callers: [a]\n"},
			want: []string{
				`trusted_proxies = "a=b" (a.yaml:1): "a=b": want spiffe://<trust domain>/<path>, dns:<name>, an address or a network such as 10.0.0.0/8`,
				`allow_callers = "a" (a.yaml:2): want entries service=caller,caller separated by semicolons`,
			},
		},
		{
			name: "numbers that do not go together",
			args: []string{"--simulator", "--retry-cap=100ms", "--breaker-cooldown=6m", "--share=0.05"},
			want: []string{
				`retry_cap = "100ms" (flag --retry-cap): must not be below retry_base, which is 500ms (default)`,
				`breaker_max_cooldown = "5m" (default): must not be below breaker_cooldown, which is 6m (flag --breaker-cooldown)`,
				`share = "0.05" (flag --share): it leaves less than one of the mave_slots, which are 10 (default)`,
				`share = "0.05" (flag --share): it leaves less than one of the focus_group_slots, which are 5 (default)`,
				`share = "0.05" (flag --share): it leaves less than one of the video_analysis_slots, which are 3 (default)`,
			},
		},
		{
			name: "a number that is wrong by itself is not compared",
			args: []string{"--simulator", "--retry-base=1h", "--retry-cap=1ms", "--mave-slots=0", "--focus-group-slots=0", "--video-analysis-slots=x", "--share=0.05", "--retry-attempts=0", "--batch-share=0", "--retry-budget-ratio=NaN"},
			want: []string{
				`retry_base = "1h" (flag --retry-base): want a duration from 1ms to 1m`,
				`mave_slots = "0" (flag --mave-slots): want a whole number from 1 to 1000`,
				`focus_group_slots = "0" (flag --focus-group-slots): want a whole number from 1 to 1000`,
				`video_analysis_slots = "x" (flag --video-analysis-slots): want a whole number from 1 to 1000`,
				`retry_attempts = "0" (flag --retry-attempts): want a whole number from 1 to 10`,
				`batch_share = "0" (flag --batch-share): want a number from 0.01 to 0.5`,
				`retry_budget_ratio = "NaN" (flag --retry-budget-ratio): want a number from 0 to 1`,
			},
		},
		{
			name: "two things to print", args: []string{"--print-config", "--print-policy"},
			want: []string{`print_policy (flag --print-policy): print_config is set as well; keep one of the two`},
		},
		{
			name: "a password in the URL", args: []string{"--simulator", "--base-url=https://admin:pass@word@mavera.local/?token=hush"},
			want: []string{`base_url = "...@mavera.local/..." (flag --base-url): a user or password in the URL is not accepted; the key is a setting of its own`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, err := Parse(test.args, test.environ, test.files.read)
			var refused *Error
			if !errors.As(err, &refused) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if got, want := refused.Error(), strings.Join(test.want, "\n"); got != want {
				t.Errorf("\n got:\n%s\nwant:\n%s", got, want)
			}
			if !reflect.DeepEqual(config, Config{}) {
				t.Errorf("half a configuration is returned: %+v", config)
			}
		})
	}
}

func TestParseSyntaxError(t *testing.T) {
	_, err := Parse([]string{"--config=a.yaml"}, nil, files{"a.yaml": "share: 1\napi_key: \"" + key + "\n"}.read)
	if err == nil || !strings.HasPrefix(err.Error(), `config = "a.yaml": `) || !strings.Contains(err.Error(), "line ") {
		t.Errorf("error %v, want the file and the line", err)
	}
	if strings.Contains(err.Error(), "abcde") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error shows the key or has several lines: %q", err)
	}
}

func TestRefuse(t *testing.T) {
	config, err := Parse([]string{"--simulator", "--grpc-addr=:443"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, want string }{
		{"grpc_addr", `grpc_addr = ":443" (flag --grpc-addr): permission denied`},
		{"share", `share = "1" (default): permission denied`},
		{"api_key", `api_key (default): permission denied`},
		{"no such setting", `no such setting: permission denied`},
	}
	for _, test := range tests {
		if got := config.Refuse(test.name, errors.New("permission denied")).Error(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
