"""Films and sounds as streams of packets and frames."""
