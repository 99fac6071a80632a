module github.com/grantway/grantway

go 1.26
