"""Where regions are, for ranking by distance: the towns that Google names, in degrees."""

from __future__ import annotations

from typing import Final

__all__ = ["PLACES", "place_of"]

PLACES: Final = {
    "africa-south1": (-26.20, 28.05),  # Johannesburg
    "asia-east1": (24.08, 120.54),  # Changhua
    "asia-east2": (22.32, 114.17),  # Hong Kong
    "asia-northeast1": (35.68, 139.69),  # Tokyo
    "asia-northeast2": (34.69, 135.50),  # Osaka
    "asia-northeast3": (37.57, 126.98),  # Seoul
    "asia-south1": (19.08, 72.88),  # Mumbai
    "asia-south2": (28.61, 77.21),  # Delhi
    "asia-southeast1": (1.35, 103.82),  # Singapore
    "asia-southeast2": (-6.21, 106.85),  # Jakarta
    "asia-southeast3": (13.76, 100.50),  # Bangkok
    "australia-southeast1": (-33.87, 151.21),  # Sydney
    "australia-southeast2": (-37.81, 144.96),  # Melbourne
    "europe-central2": (52.23, 21.01),  # Warsaw
    "europe-north1": (60.57, 27.20),  # Hamina
    "europe-north2": (59.33, 18.07),  # Stockholm
    "europe-southwest1": (40.42, -3.70),  # Madrid
    "europe-west1": (50.47, 3.82),  # Saint-Ghislain
    "europe-west2": (51.51, -0.13),  # London
    "europe-west3": (50.11, 8.68),  # Frankfurt
    "europe-west4": (53.43, 6.83),  # Eemshaven
    "europe-west6": (47.38, 8.54),  # Zurich
    "europe-west8": (45.46, 9.19),  # Milan
    "europe-west9": (48.86, 2.35),  # Paris
    "europe-west10": (52.52, 13.40),  # Berlin
    "europe-west12": (45.07, 7.69),  # Turin
    "me-central1": (25.29, 51.53),  # Doha
    "me-central2": (26.43, 50.10),  # Dammam
    "me-west1": (32.09, 34.78),  # Tel Aviv
    "northamerica-northeast1": (45.50, -73.57),  # Montreal
    "northamerica-northeast2": (43.65, -79.38),  # Toronto
    "northamerica-south1": (20.59, -100.39),  # Queretaro
    "southamerica-east1": (-23.53, -46.79),  # Osasco
    "southamerica-west1": (-33.45, -70.67),  # Santiago
    "us-central1": (41.26, -95.86),  # Council Bluffs
    "us-east1": (33.20, -80.01),  # Moncks Corner
    "us-east4": (39.04, -77.49),  # Ashburn
    "us-east5": (39.96, -83.00),  # Columbus
    "us-south1": (32.78, -96.80),  # Dallas
    "us-west1": (45.59, -121.18),  # The Dalles
    "us-west2": (34.05, -118.24),  # Los Angeles
    "us-west3": (40.76, -111.89),  # Salt Lake City
    "us-west4": (36.17, -115.14),  # Las Vegas
}
"""Region to latitude and longitude."""


def place_of(region: str) -> tuple[float, float]:
    """Return latitude and longitude of a region; NaN for one that is not in the table."""
    return PLACES.get(region, (float("nan"), float("nan")))
