"""Which batch sizes are timed: `--batch-sizes 128,256,512`."""


def pytest_addoption(parser):
    parser.addoption("--batch-sizes", default="128,256,512", help="batch sizes to time, separated by commas")


def pytest_generate_tests(metafunc):
    cases = getattr(metafunc.module, "cases", None)
    if cases is not None:
        # Run as part of all tests, where benchmarks are skipped, the option is not registered.
        sizes = metafunc.config.getoption("--batch-sizes", default="128,256,512")
        metafunc.parametrize(("loss", "batch_size"), cases([int(size) for size in sizes.split(",")]))
