"""The whole of Tollkeeper on this machine: behind `tollkeeper up`, and behind the tests."""
