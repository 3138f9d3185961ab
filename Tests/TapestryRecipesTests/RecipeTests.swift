import Foundation
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRecipes
import Testing

@Suite("Recipes") struct RecipeTests {
    @Test func settingsComeBackFromTheirConfiguration() throws {
        var recipe = Recipe()
        recipe.optimizer = .adamw
        recipe.schedule = .cosine
        recipe.emaDecay = 0.99
        recipe.colorJitter = [0.3, 0.3, 0.3, 0.075]
        recipe.normalization = "acnet"
        for recipe in [recipe] + Recipes.named.map(\.recipe) {
            var copy = Recipe()
            try copy.apply(try ConfigurationValue.parse(recipe.configuration.yaml, file: "test"))
            #expect(copy == recipe)
        }
    }

    @Test(arguments: [
        "epochs=0", "epochs=1.5", "epochs=many", "batch-size=-1", "momentum=2", "nesterov=1", "optimizer=lion",
        "milestones=0.5", "milestones=[2]", "ema-decay=no", "normalization=mine", "colour=1", "flip-probability=.nan",
        "no-weight-decay=depth", "no-weight-decay=[1]", "no-weight-decay=['']", "test-every=0", "test-last=0",
        "test-before-training=1", "epoch-steps=floor", "reset-optimizer=1", "flip-first=once", "resize-filter=nearest",
        "center-crop-share=0", "center-crop-share=1.1",
    ])
    func settingsThatMakeNoSenseAreRefusedByName(setting: String) throws {
        let parts = setting.split(separator: "=").map(String.init)
        var recipe = Recipe()
        let value = try ConfigurationValue.parse(parts[1], file: "test")
        let error = #expect(throws: SettingError.self) { try recipe.set(parts[0], to: value) }
        #expect(error?.description.contains(parts[0]) == true)
        #expect(recipe == Recipe())
    }

    @Test func filesOverrideTheRecipeTheyName() throws {
        let path = FileManager.default.temporaryDirectory.appending(component: "\(UUID().uuidString).yaml").path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try AtomicFile.write("recipe: ask\nepochs: 7\nmilestones: [0.9]\n", to: path)
        let recipe = try Recipes.recipe(path, forArchitecture: "shift/resnet20").recipe
        #expect(recipe.epochs == 7 && recipe.milestones == [0.9] && recipe.batchSize == 64)
        try AtomicFile.write("epochs: 7\n", to: path)
        let own = try Recipes.recipe(path, forArchitecture: "ec2t/resnet20")
        #expect(own.recipe.epochs == 7 && own.recipe.batchSize == 256 && own.seed == 363_636)
        for text in ["epochs: 7\nmomentum: 9\n", "epochs: 7\nrecipe: nobody's\n"] {
            try AtomicFile.write(text, to: path)
            let error = #expect(throws: ConfigurationError.self) {
                try Recipes.recipe(path, forArchitecture: "ask/vgg16")
            }
            #expect(error?.line == 2)
        }
        #expect(throws: SettingError.self) { try Recipes.recipe("nobody's", forArchitecture: "ask/vgg16") }
    }

    @Test func configurationsComeBackFromTheirFile() throws {
        var configuration = RunConfiguration(
            architecture: "ask/resnet20", classes: 10, imageSize: 32, channels: 3, data: "/data: with # signs",
            dataset: .cifar10, recipe: Recipe())
        configuration.methods = [
            MethodAssignment.Rule(pattern: "layer1.*", method: "ask:ASK_2"),
            MethodAssignment.Rule(pattern: "*", method: "ask:[[2,4,5],[1,9]]"),
        ]
        configuration.seed = .max
        configuration.trainingLimit = 100
        let path = FileManager.default.temporaryDirectory.appending(component: "\(UUID().uuidString).yaml").path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try AtomicFile.write(configuration.yaml, to: path)
        #expect(try RunConfiguration(readingFrom: path) == configuration)
    }
}
