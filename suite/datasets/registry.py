"""The data sets by name of their builder (`suite.datasets.builder.Builder`)."""

from suite.registry import Registry

DATASETS = Registry(
    "data set",
    "ranksuite.datasets",
    {
        "cars196": "suite.datasets.cars196:Cars196",
        "cub200": "suite.datasets.cub200:Cub200",
        "dyml_animal": "suite.datasets.dyml:DyMLAnimal",
        "dyml_product": "suite.datasets.dyml:DyMLProduct",
        "dyml_vehicle": "suite.datasets.dyml:DyMLVehicle",
        "emoji": "suite.datasets.emoji:Emoji",
        "gldv2": "suite.datasets.gldv2:GLDv2",
        "h_gldv2": "suite.datasets.gldv2:HGLDv2",
        "inaturalist": "suite.datasets.inaturalist:INaturalist",
        "inaturalist_full": "suite.datasets.inaturalist:INaturalistFull",
        "inshop": "suite.datasets.inshop:InShop",
        "landmarks_mini": "suite.datasets.landmarks_mini:LandmarksMini",
        "roxford": "suite.datasets.revisited:ROxford",
        "rparis": "suite.datasets.revisited:RParis",
        "sfm120k": "suite.datasets.sfm120k:Sfm120k",
        "sop": "suite.datasets.sop:Sop",
        "vehicleid": "suite.datasets.vehicleid:VehicleID",
    },
)
