module github.com/mavera-gateway/mavera-gateway

go 1.26.0
