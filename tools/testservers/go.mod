module videovector.io/tools/testservers

go 1.24.0

require github.com/versity/versitygw v1.8.0
