"""The operations console: pages under ``/ops``, rendered here, that work without a script."""
