//go:build tools

// Package tools pins the S3 gateway that the tests store objects in.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
