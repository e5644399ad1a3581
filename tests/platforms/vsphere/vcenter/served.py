"""What the tests know of the server that `conftest.served` starts."""

PASSWORD = "a password with <&> in it"
