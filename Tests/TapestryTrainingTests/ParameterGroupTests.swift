import TapestryCore
import TapestryMethods
import TapestryRecipes
import TapestryTorch
import TapestryTraining
import Testing

@Suite("Groups of parameters") struct ParameterGroupTests {
    /// Weight decay and learning-rate factor by parameter.
    private func treatments(_ recipe: Recipe) throws -> [String: [Double]] {
        let graph = try Graph.build(input: [3, 8, 8]) { image in
            image.convolution("stem.depthwise.conv", to: 4, kernel: 3, padding: 1).batchNorm("stem.depthwise.bn")
                .relu().convolution("stem.pointwise.conv", to: 4, kernel: 1).batchNorm("stem.pointwise.bn")
                .globalAveragePool().linear("linear", to: 2)
        }
        let network = try TorchNetwork(graph, weights: .initial(for: graph, seed: 1), device: .cpu)
        var treatments: [String: [Double]] = [:]
        for group in try recipe.makeOptimizer(for: network).groups {
            for parameter in group.parameters {
                #expect(treatments[parameter.name] == nil)
                treatments[parameter.name] = [group.weightDecay, group.learningRateFactor]
            }
        }
        return treatments
    }

    @Test func acnetsBiasesMoveTwiceAndDepthDoesNotDecay() throws {
        let recipe = try Recipes.recipe("acnet-cifar", forArchitecture: "").recipe
        #expect(
            try treatments(recipe) == [
                "stem.depthwise.conv.weight": [0, 1], "stem.depthwise.bn.weight": [0, 1],
                "stem.depthwise.bn.bias": [0, 2], "stem.pointwise.conv.weight": [1e-4, 1],
                "stem.pointwise.bn.weight": [1e-4, 1], "stem.pointwise.bn.bias": [1e-4, 2],
                "linear.weight": [1e-4, 1], "linear.bias": [1e-4, 2],
            ])
    }

    @Test func theOthersTreatAllAlike() throws {
        for name in ["ask", "hetconv", "shift", "ec2t-scale"] {
            let recipe = try Recipes.recipe(name, forArchitecture: "").recipe
            #expect(Set(try treatments(recipe).values) == [[recipe.weightDecay, 1]])
        }
    }

    @Test func scopeAndNamesBothSpare() throws {
        var recipe = Recipe()
        recipe.weightDecayScope = .weights
        recipe.noWeightDecay = ["linear", "pointwise.bn"]
        let decayed = try treatments(recipe).filter { $0.value[0] > 0 }.keys.sorted()
        #expect(decayed == ["stem.depthwise.conv.weight", "stem.pointwise.conv.weight"])
    }
}
